//! A simulated kernel: list, allocate, put and call
