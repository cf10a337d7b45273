//! Reports as HTML pages that load nothing from elsewhere.

use relobox_core::text::escaped;
use std::fmt::Write as _;

/// Nothing is loaded: the policy permits only the style and the script of the page itself.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'";

/// The style of all pages, light and dark.
const STYLE: &str = include_str!("html.css");

/// Returns `text` as it may stand in an element of XML or HTML, or in an attribute in double quotes.
#[must_use]
pub fn xml(text: &str) -> String {
    escaped(text).to_string().replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// Returns a page with a title as its heading. `style` is CSS beside that of all pages. `body` is HTML.
#[must_use]
pub fn page(title: &str, style: &str, body: &str) -> String {
    let title = xml(title);
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"{POLICY}\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{title}</title>\n<style>\n{STYLE}{style}</style>\n</head>\n<body>\n<h1>{title}</h1>\n\
         {body}</body>\n</html>\n"
    )
}

/// Appends a table. Its first `text` columns are text, and the others are numbers. The cells are text, not HTML.
pub fn table(out: &mut String, header: &[&str], rows: &[Vec<String>], text: usize) {
    let row = |out: &mut String, cells: &mut dyn Iterator<Item = &str>, tag: &str| {
        out.push_str("<tr>");
        for (at, cell) in cells.enumerate() {
            let class = if at < text { "" } else { " class=\"n\"" };
            let _ = write!(out, "<{tag}{class}>{}</{tag}>", xml(cell));
        }
        out.push_str("</tr>\n");
    };
    out.push_str("<div class=\"wide\"><table>\n<thead>");
    row(out, &mut header.iter().copied(), "th");
    out.push_str("</thead>\n<tbody>\n");
    rows.iter().for_each(|cells| row(out, &mut cells.iter().map(String::as_str), "td"));
    out.push_str("</tbody></table></div>\n");
}

/// Appends a list of lines of text under a heading, or nothing if there are no lines.
pub fn list(out: &mut String, title: &str, lines: impl Iterator<Item = String>) {
    let mut lines = lines.peekable();
    if lines.peek().is_none() {
        return;
    }
    let _ = writeln!(out, "<h2>{}</h2>\n<ul>", xml(title));
    lines.for_each(|line| {
        let _ = writeln!(out, "<li>{}</li>", xml(&line));
    });
    out.push_str("</ul>\n");
}
