//! The plugin that is proved.

use super::fixture::{Fixture, fixtures};
use super::reference_model::ReferenceModel;
use super::run::{Run, run};
use super::test_module::TestModule;
use relobox_link::description::{About, PluginRow};
use relobox_link::guests::Plugin;

/// A plugin under test.
pub struct PluginUnderTest<'a> {
    /// The plugin.
    pub plugin: &'a Plugin,
    /// What its description says must come.
    pub model: ReferenceModel<'a>,
}

impl<'a> PluginUnderTest<'a> {
    /// Asks `plugin` what it does not say of itself.
    #[must_use]
    pub fn new(plugin: &'a Plugin) -> Self {
        Self { plugin, model: ReferenceModel::of(plugin) }
    }

    /// What the plugin says of itself.
    #[must_use]
    pub fn about(&self) -> &'a About {
        &self.plugin.about
    }

    /// What comes of `module`.
    #[must_use]
    pub fn run(&self, module: &TestModule) -> Run {
        run(self.plugin, module)
    }

    /// The rows whose relocations change bytes, and that are found under their own type.
    pub fn writing(&self) -> impl Iterator<Item = &'a PluginRow> {
        let about = self.about();
        about.rows.iter().filter(|row| row.writes() && about.row(row.row.kind).is_some_and(|r| std::ptr::eq(r, *row)))
    }

    /// Each machine with each form of addends that it takes.
    #[must_use]
    pub fn fixtures(&self) -> Vec<Fixture> {
        fixtures(&self.model)
    }
}
