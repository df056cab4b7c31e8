//! The other two of the trio: framed prost messages over TCP, mutually authenticated.
