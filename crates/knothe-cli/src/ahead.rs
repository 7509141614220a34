//! Work on a thread of its own, ahead of what needs it.

use std::sync::mpsc::{Receiver, sync_channel};
use std::thread::Scope;

/// Items that may wait: enough for reading, computing and writing to go on at once, few enough that memory does not depend on the table.
const WAITING: usize = 2;

/// The items of an iterator, made on another thread. It stops when what is returned is dropped.
pub fn ahead<'scope, I>(scope: &'scope Scope<'scope, '_>, items: I) -> Receiver<I::Item>
where
    I: Iterator + Send + 'scope,
    I::Item: Send + 'scope,
{
    let (sender, receiver) = sync_channel(WAITING);
    scope.spawn(move || {
        for item in items {
            if sender.send(item).is_err() {
                break;
            }
        }
    });
    receiver
}
