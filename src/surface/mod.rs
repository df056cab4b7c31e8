//! WHAT PEOPLE TOUCH: the command line and the operator service.
