//! How text is laid out where standard output leads: the terminal's own width, and colours where they are wanted.

use std::io::IsTerminal;

use crate::render::{Colour, Style};

/// The width of text that goes to no terminal.
///
/// Units: columns. Wide enough for a table, narrow enough for a mail.
const WIDTH: u16 = 110;

/// Gives the style for standard output: plain unless it is a terminal, and without colours where `NO_COLOR` is set.
#[must_use]
pub fn style() -> Style {
    if !std::io::stdout().is_terminal() {
        return Style::plain(WIDTH);
    }
    let width = comfy_table::Table::new().width().filter(|width| 0 < *width).unwrap_or(WIDTH);
    // The convention of no-color.org: set and not empty.
    let unwanted = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    Style { width, colour: if unwanted { Colour::Plain } else { Colour::Ansi } }
}
