//! Settings: TOML and environment, checked as a whole, each error with file, key, value and a hint.
