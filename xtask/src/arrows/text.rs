//! The code in a source text.

/// The text with comments and literals blanked; every line keeps its number and every place its offset.
pub fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let word = out.ends_with(|c: char| c.is_alphanumeric() || c == '_');
        let length = literal(rest, word);
        if length > 0 {
            out.extend(rest[..length].chars().flat_map(|c| blank(c).chars()));
        } else {
            out.push(first);
        }
        rest = &rest[length.max(first.len_utf8())..];
    }
    out
}

/// As many bytes as the character has, so that offsets stay.
fn blank(character: char) -> &'static str {
    if character == '\n' { "\n" } else { &"    "[..character.len_utf8()] }
}

/// The length of the comment or literal that a text starts with, or 0. After a letter, `r"` ends a word and begins no text.
fn literal(text: &str, word: bool) -> usize {
    let to = |end: &str, skip: usize| text[skip..].find(end).map_or(text.len(), |at| skip + at + end.len());
    if text.starts_with("//") {
        return text.find('\n').unwrap_or(text.len());
    }
    if text.starts_with("/*") {
        return to("*/", 2);
    }
    if text.starts_with('"') {
        return quoted(text, '"');
    }
    if let Some(after) = text.strip_prefix('r').filter(|_| !word) {
        let hashes = after.len() - after.trim_start_matches('#').len();
        if after[hashes..].starts_with('"') {
            return to(&format!("\"{}", "#".repeat(hashes)), hashes + 2);
        }
    }
    let mut characters = text.chars();
    // A lifetime has no second quote after one character.
    match (characters.next(), characters.next(), characters.next()) {
        (Some('\''), Some('\\'), _) => quoted(text, '\''),
        (Some('\''), Some(one), Some('\'')) => 2 + one.len_utf8(),
        _ => 0,
    }
}

/// The length of a literal between quotes, in which a backslash guards the character after it.
fn quoted(text: &str, quote: char) -> usize {
    let mut guarded = false;
    for (at, character) in text.char_indices().skip(1) {
        if character == quote && !guarded {
            return at + 1;
        }
        guarded = character == '\\' && !guarded;
    }
    text.len()
}

/// Code without the items under `#[cfg(test)]`, and the test modules that stand in files of their own: their names, or
/// the files that a `path` names. `original` has the literals that `code` lacks.
pub fn tests_blanked(code: &str, original: &str) -> (String, Vec<String>) {
    const MARK: &str = "#[cfg(test)]";
    let (mut out, mut files, mut rest) = (String::with_capacity(code.len()), Vec::new(), 0);
    while let Some(found) = code[rest..].find(MARK) {
        let start = rest + found;
        let end = end_of_item(code, start + MARK.len());
        if let Some((name, _)) = code[start..end].find("mod ").and_then(|at| name_at(code, start + at + 4)) {
            let path = original[start..end].split("#[path = \"").nth(1).and_then(|path| path.split('"').next());
            files.push(path.map_or(name, str::to_owned));
        }
        out.push_str(&code[rest..start]);
        out.extend(code[start..end].chars().flat_map(|c| blank(c).chars()));
        rest = end;
    }
    out.push_str(&code[rest..]);
    (out, files)
}

/// Where an item ends: after its `;`, or after the brace that closes its first one.
fn end_of_item(code: &str, start: usize) -> usize {
    let mut depth = 0_usize;
    for (at, character) in code[start..].char_indices() {
        match character {
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth == 0 && matches!(character, ';' | '}') {
            return start + at + 1;
        }
    }
    code.len()
}

/// The name that stands at a place, after spaces, and where it does.
pub fn name_at(code: &str, at: usize) -> Option<(String, usize)> {
    let trimmed = code[at..].trim_start();
    let name: String = trimmed.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
    (!name.is_empty()).then(|| (name, code.len() - trimmed.len()))
}
