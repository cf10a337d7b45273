//! The support table is what the plugins say.

use crate::hold;
use relobox::guests::Guests;
use relobox::sandbox::Sandbox;
use relobox::support::page;

#[test]
fn the_support_table_is_current() {
    let guests = Guests::new(Sandbox::new(None).expect("the sandbox"), &[]).expect("guests");
    hold("docs/relocation-support.md", &page(&guests).unwrap_or_else(|e| panic!("{e}")));
}
