//! What a running node says of itself: lines on standard error, for people or, with `-o json`, an object each.
//!
//! Deliberately nothing of decisions but what the controller wants said: those are records.

use std::io;

use tracing::Subscriber;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

use crate::surface::cli::Output;

/// Begins to log to standard error; `TANIST_LOG` says what.
pub(super) fn start(output: Output) {
    let filter = EnvFilter::builder()
        .with_default_directive(tracing::level_filters::LevelFilter::INFO.into())
        .with_env_var("TANIST_LOG")
        .from_env_lossy();
    // A second run within one process (tests) keeps the first one's.
    let _ = tracing::subscriber::set_global_default(lines(output, filter, io::stderr));
}

/// Gives what writes a line for each event.
fn lines<W>(output: Output, filter: EnvFilter, to: W) -> Box<dyn Subscriber + Send + Sync>
where
    W: for<'writer> MakeWriter<'writer> + Send + Sync + 'static,
{
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(to).with_ansi(false);
    match output {
        Output::Table => Box::new(lines.finish()),
        Output::Json => Box::new(lines.json().finish()),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Page(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Page {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn logged(output: Output) -> String {
        let page = Page::default();
        let to = page.clone();
        let subscriber = lines(output, EnvFilter::new("info"), move || to.clone());
        tracing::subscriber::with_default(subscriber, || {
            tracing::warn!(node = %3, "record 12 tells \"a person\"");
            tracing::debug!("nobody asked for this");
        });
        String::from_utf8(page.0.lock().unwrap().clone()).unwrap()
    }

    #[test]
    fn a_machine_reads_an_object_a_line_and_people_read_words() {
        let json = logged(Output::Json);
        let [line] = json.lines().collect::<Vec<_>>()[..] else { panic!("{json}") };
        let value: serde_json::Value = serde_json::from_str(line).unwrap();
        assert_eq!(value["level"], "WARN");
        assert_eq!(value["fields"], serde_json::json!({ "message": "record 12 tells \"a person\"", "node": "3" }));
        let words = logged(Output::Table);
        assert!(words.ends_with("record 12 tells \"a person\" node=3\n"), "{words}");
    }
}
