//! The only loop: carries events into the controller and its effects out through the ports.
