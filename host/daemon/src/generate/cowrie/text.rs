//! Text as Python's JSON encoder writes it: ASCII only, the rest as `\uXXXX`.

/// Appends text inside a JSON string.
pub(super) fn push_text(out: &mut Vec<u8>, text: &str) {
    let mut rest = text;
    loop {
        let plain = rest
            .bytes()
            .position(|byte| !(0x20..0x7f).contains(&byte) || byte == b'"' || byte == b'\\');
        let (head, tail) = rest.split_at_checked(plain.unwrap_or(rest.len())).unwrap_or((rest, ""));
        out.extend_from_slice(head.as_bytes());
        let mut characters = tail.chars();
        let Some(character) = characters.next() else { return };
        push_escaped(out, character);
        rest = characters.as_str();
    }
}

fn push_escaped(out: &mut Vec<u8>, character: char) {
    match character {
        '"' => out.extend_from_slice(b"\\\""),
        '\\' => out.extend_from_slice(b"\\\\"),
        '\n' => out.extend_from_slice(b"\\n"),
        '\r' => out.extend_from_slice(b"\\r"),
        '\t' => out.extend_from_slice(b"\\t"),
        '\u{8}' => out.extend_from_slice(b"\\b"),
        '\u{c}' => out.extend_from_slice(b"\\f"),
        '\u{7f}' => out.push(0x7f),
        _ => {
            for unit in character.encode_utf16(&mut [0; 2]) {
                out.extend_from_slice(format!("\\u{unit:04x}").as_bytes());
            }
        }
    }
}

/// Appends bytes inside a JSON string; those that are not UTF-8 as `\xNN`, the way Cowrie decodes.
pub(super) fn push_utf8(out: &mut Vec<u8>, bytes: &[u8]) {
    for chunk in bytes.utf8_chunks() {
        push_text(out, chunk.valid());
        for byte in chunk.invalid() {
            // The backslash is itself escaped.
            out.extend_from_slice(format!("\\\\x{byte:02x}").as_bytes());
        }
    }
}

/// Appends the print of a Python bytes object inside a JSON string: `b'…'`.
pub(super) fn push_python_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    let quote = if bytes.contains(&b'\'') && !bytes.contains(&b'"') { '"' } else { '\'' };
    let mut print = format!("b{quote}");
    for byte in bytes {
        match byte {
            b'\\' => print.push_str("\\\\"),
            b'\n' => print.push_str("\\n"),
            b'\r' => print.push_str("\\r"),
            b'\t' => print.push_str("\\t"),
            b'\'' if quote == '\'' => print.push_str("\\'"),
            0x20..0x7f => print.push(char::from(*byte)),
            _ => print.push_str(&format!("\\x{byte:02x}")),
        }
    }
    print.push(quote);
    push_text(out, &print);
}

/// Appends a number in decimal.
pub(super) fn push_number(out: &mut Vec<u8>, number: u64) {
    if number >= 10 {
        push_number(out, number / 10);
    }
    out.push(b'0' + u8::try_from(number % 10).unwrap_or(0));
}

/// Appends a number under 100 with two digits.
pub(super) fn push_two(out: &mut Vec<u8>, number: u64) {
    push_number(out, number / 10 % 10);
    push_number(out, number % 10);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(push: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        push(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn text_comes_back_from_a_json_parser() {
        for text in ["", "plain", "a\"b\\c\n\t\u{1}\u{7f}", "žluťoučký 🐎", "echo -e '\\x67'"]
        {
            let json = format!("\"{}\"", written(|out| push_text(out, text)));
            assert!(json.is_ascii(), "{json}");
            assert_eq!(serde_json::from_str::<String>(&json).unwrap(), text);
        }
    }

    #[test]
    fn bytes_look_as_python_prints_them() {
        assert_eq!(written(|out| push_python_bytes(out, b"SSH-2.0-x")), "b'SSH-2.0-x'");
        assert_eq!(written(|out| push_python_bytes(out, b"it's\r\n")), "b\\\"it's\\\\r\\\\n\\\"");
        assert_eq!(
            written(|out| push_python_bytes(out, &[0x16, 3, 0xff])),
            "b'\\\\x16\\\\x03\\\\xff'"
        );
        assert_eq!(written(|out| push_utf8(out, &[0x16, b'a', 0xb1])), "\\u0016a\\\\xb1");
    }

    #[test]
    fn numbers_have_their_digits() {
        assert_eq!(written(|out| push_number(out, 1_203_000)), "1203000");
        assert_eq!(written(|out| push_two(out, 7)), "07");
    }
}
