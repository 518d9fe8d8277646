//! How gensio writes what is stacked on what: `telnet(rfc2217),tcp,localhost,2000`.

/// The first of several gensios: name, options in parentheses, and what follows the comma.
pub(super) fn layer(text: &str) -> (&str, Vec<&str>, &str) {
    let end = text.find([',', '(']).unwrap_or(text.len());
    let (name, rest) = text.split_at(end);
    let (arguments, rest) = match rest.strip_prefix('(') {
        Some(inner) => {
            let mut depth = 1;
            let close = inner.find(|c| {
                depth += match c {
                    '(' => 1,
                    ')' => -1,
                    _ => 0,
                };
                depth == 0
            });
            match close {
                Some(at) => (&inner[..at], &inner[at + 1..]),
                None => (inner, ""),
            }
        }
        None => ("", rest),
    };
    let split = arguments.split(|c: char| c == ',' || c.is_whitespace());
    (
        name.trim(),
        split.filter(|argument| !argument.is_empty()).collect(),
        rest.trim_start().trim_start_matches(',').trim(),
    )
}
