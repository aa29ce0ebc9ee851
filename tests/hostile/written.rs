//! Components written by hand: what no Rust can say, as text, and what no text can say, as bytes.

/// A plugin by the contract, whose core module does what these say. Each is the body of a function, or more items.
pub(super) struct Written {
    /// Items of the core module beside the usual ones.
    pub(super) items: &'static str,
    /// Gives the address of the description.
    pub(super) describe: &'static str,
    /// Gives the address of the answer.
    pub(super) tick: &'static str,
    /// Gives room for what the host brings.
    pub(super) realloc: &'static str,
}

/// It does nothing, and does it well.
pub(super) const HONEST: Written = Written {
    items: "",
    describe: "i32.const 64",
    // Zeros: that it went well.
    tick: "i32.const 1024",
    realloc: "i32.const 4096",
};

/// The types of the contract that an export speaks of, each under the name that the next ones know it by.
const TYPES: [(&str, &str); 5] = [
    (
        "setting",
        r#"(record (field "name" string) (field "default" string) (field "summary" string))"#,
    ),
    (
        "description",
        r#"(record (field "name" string) (field "version" string) (field "summary" string)
            (field "wakes" (list string)) (field "poll-seconds" u32) (field "reads" (list string))
            (field "writes" (list string)) (field "kernels" (list string)) (field "settings" (list $setting)))"#,
    ),
    ("reason", r#"(enum "startup" "poll" "event" "command" "again")"#),
    (
        "context",
        r#"(record (field "now" s64) (field "reason" $reason) (field "dirty" (option (list u32)))
            (field "settings" (list (tuple string string))))"#,
    ),
    (
        "problem",
        r#"(variant (case "invalid" string) (case "not-found" string) (case "refused" string)
            (case "limit" string) (case "unavailable" string) (case "conflict" string))"#,
    ),
];

impl Written {
    /// The component.
    pub(super) fn component(&self) -> Vec<u8> {
        let Self { items, describe, tick, realloc } = self;
        let own: String = TYPES.iter().map(|(name, of)| format!("(type ${name} {of})\n")).collect();
        // An exported function may speak of types only that are exported beside it, and these of each other: so
        // a component around it takes all by one name and gives them by another.
        let (mut taken, mut given, mut passed) = (String::new(), String::new(), String::new());
        for (name, of) in TYPES {
            taken.push_str(&format!(
                "(type ${name}-of {of}) (import \"type-{name}\" (type ${name} (eq ${name}-of)))\n"
            ));
            let out = ["$setting", "$reason"]
                .iter()
                .fold(of.to_owned(), |of, inner| of.replace(inner, &format!("{inner}-out")));
            given.push_str(&format!(
                "(type ${name}-to {out}) (export ${name}-out \"{name}\" (type ${name}-to))\n"
            ));
            passed.push_str(&format!("(with \"type-{name}\" (type ${name}))\n"));
        }
        component(&format!(
            r#"(component
            (core module $m
                {memory}
                (func (export "describe") (result i32) {describe})
                (func (export "tick") (param i64 i32 i32 i32 i32 i32 i32) (result i32) {tick})
                (func (export "realloc") (param i32 i32 i32 i32) (result i32) {realloc})
                {items}
                (data (i32.const 16) "written0.1.0")
                ;; name, version; 0: summary, wakes, poll, reads, writes, kernels; settings
                (data (i32.const 64) "\10\00\00\00\07\00\00\00\17\00\00\00\05\00\00\00")
                (data (i32.const 124) "\00\08\00\00\01\00\00\00"))
            (core instance $i (instantiate $m))
            {own}
            (func $describe (result $description)
                (canon lift (core func $i "describe") (memory (core memory $i "memory")) (realloc (core func $i "realloc"))))
            (func $tick (param "context" $context) (result (result (error $problem)))
                (canon lift (core func $i "tick") (memory (core memory $i "memory")) (realloc (core func $i "realloc"))))
            (component $named
                {taken}
                (import "describe-of" (func $describe (result $description)))
                (import "tick-of" (func $tick (param "context" $context) (result (result (error $problem)))))
                {given}
                (export "describe" (func $describe) (func (result $description-out)))
                (export "tick" (func $tick)
                    (func (param "context" $context-out) (result (result (error $problem-out))))))
            (instance $named (instantiate $named {passed}
                (with "describe-of" (func $describe)) (with "tick-of" (func $tick))))
            (export "corral:correlator/correlator@0.1.0" (instance $named)))"#,
            memory =
                if items.contains("\"memory\"") { "" } else { "(memory (export \"memory\") 1)" },
        ))
    }
}

/// A component from its text.
pub(super) fn component(text: &str) -> Vec<u8> {
    wat::parse_str(text).unwrap()
}

/// A component that contains a core module and nothing else: it is compiled before anybody asks what it is for.
pub(super) fn around(module: &[u8]) -> Vec<u8> {
    [b"\0asm\x0d\0\x01\0".as_slice(), &section(1, module)].concat()
}

/// A core module of functions without parameters, from their bodies.
pub(super) fn module(bodies: &[Vec<u8>]) -> Vec<u8> {
    let count = number(bodies.len());
    let types = section(1, b"\x01\x60\0\0");
    let functions = section(3, &[count.clone(), vec![0; bodies.len()]].concat());
    let bodies = bodies.iter().flat_map(|body| [number(body.len()), body.clone()].concat());
    let code = section(10, &count.into_iter().chain(bodies).collect::<Vec<u8>>());
    [b"\0asm\x01\0\0\0".as_slice(), &types, &functions, &code].concat()
}

/// A function of loops in loops, the innermost of which changes all of its variables: then each loop has to carry
/// each variable, and the compiler's work grows with the product.
pub(super) fn loops(depth: usize, variables: usize) -> Vec<u8> {
    let change = |variable: usize| {
        let at = number(variable);
        [b"\x20".as_slice(), &at, b"\x41\x01\x6a\x21", &at].concat()
    };
    let mut body = [vec![1], number(variables), vec![0x7f], b"\x03\x40".repeat(depth)].concat();
    body.extend((0..variables).flat_map(change));
    body.extend(b"\x20\0\x0d\0\x0b".repeat(depth));
    body.push(0x0b);
    body
}

fn section(id: u8, bytes: &[u8]) -> Vec<u8> {
    [vec![id], number(bytes.len()), bytes.to_vec()].concat()
}

/// A number as WebAssembly writes it (LEB128).
fn number(mut value: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let low = (value & 0x7f) as u8;
        value >>= 7;
        if value == 0 {
            bytes.push(low);
            return bytes;
        }
        bytes.push(low | 0x80);
    }
}
