//! docs/json.md and the schema agree: fields, types, which are optional, kinds of problems, examples.

use super::{errors, read, schema};
use serde_json::Value;
use std::collections::BTreeSet;

/// The tables of fields of each section, in the order of the page, and the definitions that they describe.
const TABLES: &[(&str, &[&[&str]])] = &[
    ("Errors", &[&["error", "error_body"], &["problem"]]),
    ("link", &[&["link"], &["linked_section"]]),
    ("check", &[&["check"], &["checked_kernel"], &["placed"]]),
    ("inspect", &[&["inspect"]]),
    ("plugin list", &[&["plugin"]]),
    ("plugin info", &[&["plugin_info"], &["row"]]),
    ("plugin test", &[&["plugin_test"], &["test_check"], &["test_failure"]]),
    ("plugin pin", &[&["plugin_pin"]]),
    ("insmod", &[&["insmod"]]),
    ("modprobe", &[&["modprobe"], &["step"]]),
    ("lsmod", &[&["lsmod"], &["live_module"]]),
    ("call", &[&["call"]]),
    ("state", &[&["state"], &["record"]]),
];

const HEADER: &str = "| field | type | meaning |";

/// A row of a table: names, type, and whether the field is optional.
type Row<'a> = (Vec<&'a str>, &'a str, bool);

/// The rows of a table, whose text begins behind its header.
fn rows(table: &str) -> Vec<Row<'_>> {
    let rows = table.lines().skip(2).take_while(|line| line.starts_with('|'));
    rows.map(|row| {
        let mut cells = row.split(" | ");
        let names =
            cells.next().expect("names").trim_start_matches("| ").split(", ").map(|name| name.trim_matches('`'));
        let of = cells.next().expect("a type");
        (names.collect(), of.trim_end_matches(", optional"), of.ends_with(", optional"))
    })
    .collect()
}

/// Follows references.
fn resolved<'a>(schema: &'a Value, mut of: &'a Value) -> &'a Value {
    while let Some(pointer) = of["$ref"].as_str() {
        of = schema.pointer(pointer.trim_start_matches('#')).expect("a definition");
    }
    of
}

/// The word of the page for the type of a value that a schema describes.
fn word(schema: &Value, of: &Value) -> String {
    let of = resolved(schema, of);
    let one = |value: &Value| match value {
        Value::String(_) => "string",
        Value::Bool(_) => "boolean",
        _ => "integer",
    };
    match (&of["type"], &of["anyOf"]) {
        (Value::Array(types), _) => types.iter().map(|t| t.as_str().expect("a type")).collect::<Vec<_>>().join(" or "),
        (Value::String(of), _) => of.clone(),
        (_, Value::Array(any)) => any.iter().map(|of| word(schema, of)).collect::<Vec<_>>().join(" or "),
        _ => one(of.get("const").or_else(|| of["enum"].get(0)).expect("a value")).to_owned(),
    }
}

#[test]
fn the_page_and_the_schema_have_the_same_fields() {
    let (page, schema) = (read("docs/json.md"), schema());
    let mut described = 0;
    for section in page.split("\n## ").skip(1) {
        let title = section.lines().next().unwrap_or_default();
        let tables: Vec<_> = section.split(HEADER).skip(1).map(rows).collect();
        let definitions = TABLES.iter().find(|(of, _)| *of == title).map_or(&[][..], |(_, definitions)| definitions);
        assert_eq!(tables.len(), definitions.len(), "tables of fields in the section {title:?}");
        for (table, definitions) in tables.iter().zip(definitions) {
            let definitions: Vec<_> = definitions.iter().map(|name| &schema["$defs"][*name]).collect();
            let mut fields: BTreeSet<&String> =
                definitions.iter().flat_map(|d| d["properties"].as_object().expect("fields").keys()).collect();
            if definitions[0]["properties"].get("psabi").is_some() {
                // "prints the fields of `plugin list`, and:"
                let listed = schema["$defs"]["plugin"]["properties"].as_object().expect("fields");
                listed.iter().for_each(|(name, of)| assert_eq!(Some(of), definitions[0]["properties"].get(name)));
                fields.retain(|name| !listed.contains_key(*name));
            }
            for (names, of, optional) in table {
                for name in names {
                    let definition = definitions.iter().find(|d| d["properties"].get(*name).is_some());
                    let definition = definition.unwrap_or_else(|| panic!("{title}: the schema has no field {name}"));
                    assert!(fields.remove(&(*name).to_owned()), "{title}: {name} occurs twice");
                    let required = definition["required"].as_array().expect("a list").iter().any(|r| r == name);
                    assert_eq!(required, !optional, "{title}: is {name} optional?");
                    let word = word(&schema, &definition["properties"][*name]);
                    let said = of.split([',', ' ']).next().unwrap_or_default();
                    let same = word == said || word == *of;
                    assert!(same, "{title}: {name} is {of} on the page, and {word} in the schema");
                    described += 1;
                }
            }
            assert!(fields.is_empty(), "{title}: the page does not have {fields:?}");
        }
    }
    assert!(described > 130, "only {described} fields were compared");
}

/// Every field and every word of a definition is on the page, also of those without a table.
#[test]
fn the_page_has_every_name_of_the_schema() {
    fn names(of: &Value, out: &mut BTreeSet<String>) {
        let text = |value: &Value| value.as_str().map(str::to_owned);
        out.extend(of["properties"].as_object().into_iter().flatten().map(|(name, _)| name.clone()));
        out.extend(of["enum"].as_array().into_iter().flatten().filter_map(text));
        match of {
            Value::Object(parts) => parts.values().for_each(|part| names(part, out)),
            Value::Array(parts) => parts.iter().for_each(|part| names(part, out)),
            _ => {}
        }
    }
    let (page, mut all) = (read("docs/json.md"), BTreeSet::new());
    names(&schema(), &mut all);
    assert!(all.len() > 200, "{all:?}");
    let missing: Vec<_> = all.iter().filter(|name| !page.contains(&format!("`{name}`"))).collect();
    assert!(missing.is_empty(), "the page does not have {missing:?}");
}

#[test]
fn the_kinds_of_problems_are_those_of_the_page() {
    let (page, schema) = (read("docs/json.md"), schema());
    let kinds =
        page.split("<!-- kinds -->").nth(1).expect("the kinds").split("<!-- end -->").next().unwrap_or_default();
    let kinds: Vec<_> = kinds.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next()).collect();
    assert_eq!(schema["$defs"]["kind"]["enum"], Value::from(kinds));
}

#[test]
fn the_examples_of_the_page_are_valid() {
    let (page, schema) = (read("docs/json.md"), schema());
    let examples = page.split("```json\n").skip(1).filter_map(|rest| rest.split("```").next());
    let short = page.split("prints `{").skip(1).filter_map(|rest| rest.split('`').next());
    let short = short.map(|example| format!("{{{example}").replace("NAME", "\"hello\"").replace(", …", ""));
    let examples: Vec<String> = examples.map(str::to_owned).chain(short).collect();
    assert_eq!(examples.len(), 3, "{examples:?}");
    for example in examples {
        let document = serde_json::from_str(&example).unwrap_or_else(|e| panic!("{e}: {example}"));
        let errors = errors(&schema, &document);
        assert!(errors.is_empty(), "{errors:?}: {example}");
    }
}
