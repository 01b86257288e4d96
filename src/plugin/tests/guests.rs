//! Guests for tests, without any toolchain: core modules written by hand, made into components of the contract's worlds. What a guest
//! does not say for itself it answers with zeros, which mean "all is well, nothing to do" in every result of the contract.

use std::fmt::Write;

use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

const WIT: &str = include_str!("../../../plugins/wit/v0_1/weir-plugin.wit");

/// One exported function: interface, name, parameters, results' address or handle.
type Function = (&'static str, &'static str, usize);

const LIFECYCLE: Function = ("lifecycle", "configure", 2);

fn functions(world: &str) -> &'static [Function] {
    match world {
        "guard-plugin" => &[
            LIFECYCLE,
            ("request-filter", "on-request", 0),
            ("request-filter", "on-upstream-request", 1),
            ("response-filter", "wants", 0),
            ("response-filter", "on-response", 0),
            ("response-filter", "[constructor]stream", 7),
            ("response-filter", "[method]stream.on-events", 3),
            ("response-filter", "[method]stream.on-end", 1),
        ],
        "router-plugin" => &[LIFECYCLE, ("router", "pick", 2)],
        "auth-plugin" => &[LIFECYCLE, ("auth", "authenticate", 0)],
        "observer-plugin" => &[LIFECYCLE, ("observer", "on-log", 2)],
        "adapter-plugin" => &[
            LIFECYCLE,
            ("adapter", "describe", 0),
            ("adapter", "encode", 1),
            ("adapter", "[constructor]decoder", 3),
            ("adapter", "[method]decoder.push", 3),
            ("adapter", "[method]decoder.finish", 1),
            ("adapter", "classify", 5),
        ],
        other => panic!("{other} is no world of the contract"),
    }
}

/// Where a guest puts what it answers.
pub const ANSWER: u32 = 1024;
/// Zeros: all is well. Nobody writes here.
pub const ZEROS: u32 = 6144;
/// Wants all of requests, answers and streams.
const WANTS: u32 = 6400;
/// Where its texts stand, see [`Guest::text`].
const TEXTS: u32 = 8192;

/// A guest that is being written.
pub struct Guest {
    world: &'static str,
    imports: String,
    bodies: Vec<(&'static str, String)>,
    texts: String,
    extra: String,
}

impl Guest {
    pub fn new(world: &'static str) -> Guest {
        Guest {
            world,
            imports: String::new(),
            bodies: Vec::new(),
            texts: String::new(),
            extra: String::new(),
        }
    }

    pub fn guard() -> Guest {
        Guest::new("guard-plugin")
    }

    pub fn router() -> Guest {
        Guest::new("router-plugin")
    }

    /// What a function does: instructions that leave an address on the stack. Parameters are locals 0, 1, …; `$i` and `$n` are free.
    pub fn does(mut self, function: &'static str, body: impl Into<String>) -> Guest {
        self.bodies.push((function, body.into()));
        self
    }

    /// Imports a function of the contract as `$name`.
    pub fn imports(mut self, interface: &str, name: &str, signature: &str) -> Guest {
        let text = format!(
            "(import \"weir:plugin/{interface}@0.1.0\" \"{name}\" (func ${name} {signature}))\n"
        );
        self.imports.push_str(&text);
        self
    }

    /// Adds a text; its address is `TEXTS` for the first, and so on. Gives the address and length as instructions.
    pub fn text(&mut self, text: &str) -> (u32, u32) {
        let at = TEXTS + self.texts.len() as u32;
        assert!(text.is_ascii(), "kept simple");
        self.texts.push_str(text);
        (at, text.len() as u32)
    }

    /// Anything else at the level of the module.
    pub fn with(mut self, extra: &str) -> Guest {
        self.extra.push_str(extra);
        self
    }

    fn module(&self) -> String {
        let mut wat = format!("(module\n{}", self.imports);
        for resource in self.resources() {
            writeln!(wat, "{resource}").unwrap();
        }
        wat.push_str(FRAME);
        writeln!(wat, "(data (i32.const {TEXTS}) \"{}\")", self.texts).unwrap();
        writeln!(wat, "(data (i32.const {WANTS}) \"\\01\\01\\01\\00\")").unwrap();
        wat.push_str(&self.extra);
        for function in functions(self.world) {
            self.function(&mut wat, function);
        }
        wat.push(')');
        wat
    }

    fn resources(&self) -> Vec<String> {
        let new = |interface: &str, name: &str| {
            format!(
                "(import \"[export]weir:plugin/{interface}@0.1.0\" \"[resource-new]{name}\" (func $new (param i32) (result i32)))"
            )
        };
        match self.world {
            "guard-plugin" => vec![new("response-filter", "stream")],
            "adapter-plugin" => vec![new("adapter", "decoder")],
            _ => Vec::new(),
        }
    }

    fn function(&self, wat: &mut String, (interface, name, params): &Function) {
        let said = self.bodies.iter().find(|(said, _)| said == name);
        let is_constructor = name.starts_with("[constructor]");
        let default = match (is_constructor, *name) {
            (true, _) => "(call $new (i32.const 1))".to_owned(),
            (false, "wants") => format!("(i32.const {WANTS})"),
            (false, _) => format!("(i32.const {ZEROS})"),
        };
        let body = said.map_or(default, |(_, body)| body.clone());
        let params = "(param i32) ".repeat(*params);
        let export = format!("weir:plugin/{interface}@0.1.0#{name}");
        writeln!(
            wat,
            "(func (export \"{export}\") {params}(result i32) (local $i i32) (local $n i32) {body})"
        )
        .unwrap();
        if !is_constructor {
            writeln!(
                wat,
                "(func (export \"cabi_post_{export}\") (param i32) (global.set $next (i32.const 65536)))"
            )
            .unwrap();
        }
    }

    /// The component's bytes.
    pub fn component(&self) -> Vec<u8> {
        component(WIT, self.world, &self.module())
    }
}

/// Memory, and an allocator that starts anew with each call.
const FRAME: &str = r#"
(memory (export "memory") 2)
(global $next (mut i32) (i32.const 65536))
(func (export "cabi_realloc") (param $old i32) (param $was i32) (param $align i32) (param $size i32) (result i32)
  (local $at i32)
  (local.set $at (i32.and (i32.add (global.get $next) (i32.const 15)) (i32.const -16)))
  (global.set $next (i32.add (local.get $at) (local.get $size)))
  (block $fits
    (loop $grow
      (br_if $fits (i32.le_u (global.get $next) (i32.shl (memory.size) (i32.const 16))))
      (br_if $grow (i32.ne (memory.grow (i32.const 1)) (i32.const -1)))
      unreachable))
  (memory.copy (local.get $at) (local.get $old) (local.get $was))
  (local.get $at))
"#;

/// A component of any WIT.
pub fn component(wit: &str, world: &str, module: &str) -> Vec<u8> {
    let mut resolve = Resolve::default();
    let package = resolve.push_str("test.wit", wit).expect("the WIT is sound");
    let world = resolve
        .select_world(&[package], Some(world))
        .expect("it has the world");
    let mut module = wat::parse_str(module).unwrap_or_else(|error| panic!("{error}\n{module}"));
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8)
        .expect("it is a module");
    ComponentEncoder::default()
        .validate(true)
        .module(&module)
        .expect("it keeps to the world")
        .encode()
        .expect("it becomes a component")
}

/// Instructions that store words from `at` on.
pub fn words(at: u32, words: &[u32]) -> String {
    let mut text = String::new();
    for (index, word) in words.iter().enumerate() {
        let at = at as usize + 4 * index;
        write!(
            text,
            "(i32.store (i32.const {at}) (i32.const {})) ",
            *word as i32
        )
        .unwrap();
    }
    text
}

/// Instructions that answer with words.
pub fn answers(answer: &[u32]) -> String {
    format!("{}(i32.const {ANSWER})", words(ANSWER, answer))
}
