//! Write a relocation plugin for relobox: fields, the relocation table, the exports
