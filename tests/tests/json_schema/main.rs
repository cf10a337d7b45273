//! docs/json.schema.json describes exactly what commands print with `--json`. docs/json.md says the same.
#![cfg(all(target_os = "linux", target_arch = "x86_64"))]

mod page;
mod printed;
#[path = "../../../host/tests/signing/mod.rs"]
mod signing;
#[path = "../test_env/mod.rs"]
mod test_env;

use serde_json::{Map, Value, json};
use std::path::{Path, PathBuf};

/// A file of the repository.
fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(name)
}

fn read(name: &str) -> String {
    std::fs::read_to_string(path(name)).unwrap_or_else(|e| panic!("{name}: {e}"))
}

fn schema() -> Value {
    serde_json::from_str(&read("docs/json.schema.json")).expect("JSON")
}

/// The schema of one kind of document.
fn schema_of(schema: &Value, definition: &str) -> Value {
    assert!(schema["$defs"].get(definition).is_some(), "no definition of {definition}");
    json!({ "$schema": schema["$schema"], "$defs": schema["$defs"], "$ref": format!("#/$defs/{definition}") })
}

fn validator(schema: &Value) -> jsonschema::Validator {
    jsonschema::draft202012::options().build(schema).unwrap_or_else(|e| panic!("{e}"))
}

/// Returns what a schema says against a document.
fn errors(schema: &Value, document: &Value) -> Vec<String> {
    validator(schema).iter_errors(document).map(|e| format!("{}: {e}", e.instance_path())).collect()
}

/// The names of all definitions.
fn definitions(schema: &Value) -> impl Iterator<Item = &String> {
    schema["$defs"].as_object().expect("definitions").keys()
}

/// Calls `visit` with each object in a document, and a JSON pointer to it.
fn objects(at: &str, value: &Value, visit: &mut dyn FnMut(&str, &Map<String, Value>)) {
    match value {
        Value::Object(fields) => {
            visit(at, fields);
            fields.iter().for_each(|(name, value)| objects(&format!("{at}/{name}"), value, visit));
        }
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(i, item)| objects(&format!("{at}/{i}"), item, visit))
        }
        _ => {}
    }
}

#[test]
fn the_schema_describes_what_is_printed_and_no_more() {
    let schema = schema();
    jsonschema::draft202012::meta::validate(&schema).expect("a schema");
    let documents = printed::documents();
    for (definition, command, document) in &documents {
        for schema in [&schema_of(&schema, definition), &schema] {
            let errors = errors(schema, document);
            assert!(errors.is_empty(), "{command} prints what {definition} does not describe: {errors:#?}\n{document}");
        }
    }

    // A definition, or a field of one, that no document has is not needed, or is not tried.
    let rejects = |changed: &Value| {
        let validator = validator(changed);
        documents.iter().any(|(_, _, document)| !validator.is_valid(document))
    };
    let mut unused = Vec::new();
    for definition in definitions(&schema) {
        let without = |pointer: &str| {
            let mut changed = schema.clone();
            *changed.pointer_mut(pointer).expect("a part of the schema") = Value::Bool(false);
            changed
        };
        let at = format!("/$defs/{definition}");
        let fields = schema.pointer(&at).and_then(|d| d["properties"].as_object());
        let fields = fields.into_iter().flatten().map(|(field, _)| format!("{at}/properties/{field}"));
        unused.extend(std::iter::once(at.clone()).chain(fields).filter(|pointer| !rejects(&without(pointer))));
    }
    assert!(unused.is_empty(), "no command of this test prints {unused:#?}");
}

/// No object admits a field that is not described.
#[test]
fn every_object_is_closed() {
    let (mut seen, mut open) = (0, Vec::new());
    objects("", &schema(), &mut |at, object| {
        if object.get("type") == Some(&json!("object")) {
            seen += 1;
            open.extend((object.get("additionalProperties") != Some(&json!(false))).then(|| at.to_owned()));
        }
    });
    assert!(seen > 40 && open.is_empty(), "{seen} objects; these admit other fields: {open:#?}");
    let removed = json!({ "removed": "hello" });
    assert!(errors(&schema_of(&schema(), "rmmod"), &removed).is_empty());
    let more = json!({ "removed": "hello", "undocumented": 1 });
    assert_eq!(errors(&schema_of(&schema(), "rmmod"), &more).len(), 1);
}
