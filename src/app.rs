//! Wiring: settings -> adapters -> driver -> servers; the only file that sees everything.
