//! Tests of the controller without Kafka, network or disk: events in, effects out, one small story per promise.

mod acts;
mod advice;
mod asks;
mod failback;
mod fuzz;
mod given;
mod hand_over;
mod looks;
mod people;
mod reconciled;
mod records;
mod told;
mod tries;
mod unseen;
mod views;
mod world;
