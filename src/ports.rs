//! The four doors between the controller and the world, and their errors.
