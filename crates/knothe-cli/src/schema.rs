//! `knothe schema`: what the columns of a table are taken for.

use std::io::Write;
use std::path::Path;

use knothe::{
    events::table::{MissingPolicy, Overrides, Reading, Roles, Schema},
    file::write_atomically,
};

use crate::{
    cli::SchemaArguments,
    columns::named,
    failure::Failure,
    notices::say_notices,
    output::{check_writable, is_stdout, print},
};

/// Writes the schema of a table.
pub fn run(arguments: &SchemaArguments) -> Result<(), Failure> {
    let inputs: Vec<&Path> = std::iter::once(&arguments.data).chain(&arguments.schema).map(|path| path.as_path()).collect();
    check_writable(arguments.out.as_deref().unwrap_or(Path::new("-")), &inputs)?;
    let out = arguments.out.as_deref().filter(|out| !is_stdout(out));
    arguments.text_files.check(&[&arguments.data])?;
    let [drop] = named(&arguments.data, [&arguments.drop], &arguments.text_files.beside(Reading::default()));
    let overrides = arguments.schema.as_deref().map(Overrides::read).transpose()?.unwrap_or_default();
    let known = overrides.reading();
    let names = known.names.iter().chain(&drop).cloned().collect();
    let table = arguments.text_files.of(&arguments.data, Reading { skip: drop.clone(), names, ..known }).read(&arguments.data)?;
    let roles = Roles { drop, ..Roles::default() };
    let (schema, notices) = Schema::infer(&table, &overrides, &roles, MissingPolicy::Model)?;
    say_notices(&notices);
    let text = text(&schema);
    match out {
        Some(out) => Ok(write_atomically(out, |file| file.write_all(text.as_bytes()))?),
        None => print(&text),
    }
}

/// A line for each column.
fn text(schema: &Schema) -> String {
    let entries = schema.declaration();
    let line = |(name, kind): (&String, &serde_json::Value)| format!("  {}: {kind}", serde_json::Value::from(name.as_str()));
    let lines: Vec<String> = entries.as_object().into_iter().flatten().map(line).collect();
    format!("{{\n{}\n}}\n", lines.join(",\n"))
}
