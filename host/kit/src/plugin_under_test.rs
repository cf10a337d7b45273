//! The plugin under test.

use super::fixture::{Fixture, fixtures};
use super::reference_model::ReferenceModel;
use super::run::{Run, run};
use super::test_module::TestModule;
use relobox_link::description::{PluginDescription, PluginRow};
use relobox_link::guests::Plugin;

/// A plugin together with the reference model of its description.
pub struct PluginUnderTest<'a> {
    /// The plugin.
    pub plugin: &'a Plugin,
    /// The reference model.
    pub model: ReferenceModel<'a>,
}

impl<'a> PluginUnderTest<'a> {
    /// Makes the reference model of `plugin`, which links a few modules to infer what the description does not say.
    #[must_use]
    pub fn new(plugin: &'a Plugin) -> Self {
        Self { plugin, model: ReferenceModel::of(plugin) }
    }

    /// Returns the description of the plugin.
    #[must_use]
    pub fn about(&self) -> &'a PluginDescription {
        &self.plugin.about
    }

    /// Links `module` in a fresh instance.
    #[must_use]
    pub fn run(&self, module: &TestModule) -> Run {
        run(self.plugin, module)
    }

    /// Returns the rows whose relocations change bytes. A second row for the same type is left out.
    pub fn writing_rows(&self) -> impl Iterator<Item = &'a PluginRow> {
        let about = self.about();
        about.rows.iter().filter(|row| row.writes() && about.row(row.row.kind).is_some_and(|r| std::ptr::eq(r, *row)))
    }

    /// Returns a fixture for each machine and each addend form that the plugin takes.
    #[must_use]
    pub fn fixtures(&self) -> Vec<Fixture> {
        fixtures(&self.model)
    }
}
