//! Integration tests, oracles and generators of relobox
