//! The proof of the model's faithfulness: measured tables as text, played on the model.
#![cfg(test)]

mod canary;
mod combined;
mod fitted;
mod flows;
mod lab;
mod lines;
mod matrix;
mod measured;
mod past;
mod rules;
mod script;
mod throttles;
mod way_back;
