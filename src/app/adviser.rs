//! From `[adviser]` to an adviser: the model, where a server is named, else the rules alone.

use std::time::Duration;

use anyhow::Context;
use tokio::sync::watch;

use crate::adapters::llm_adviser::{AdviserOptions, ApiKey, CircuitOptions, LlmAdviser, ModelOrRules, RulesOnly};
use crate::config::sections::Adviser;

/// How long a model may take for its first answer: a cold one loads for a minute.
const PROBE_WITHIN: Duration = Duration::from_secs(60);

/// How often a model that does not answer is tried again.
const PROBE_EVERY: Duration = Duration::from_secs(60);

/// Gives the adviser that the settings name.
pub(super) fn adviser(settings: &Adviser) -> anyhow::Result<ModelOrRules> {
    let (Some(url), Some(model)) = (&settings.url, &settings.model) else {
        return Ok(ModelOrRules::Rules(RulesOnly));
    };
    let mut options = options(settings, url, model);
    if let Some(file) = &settings.key_file {
        let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
        options.key = Some(ApiKey::new(&text)?);
    }
    Ok(ModelOrRules::Model(Box::new(LlmAdviser::new(options)?)))
}

/// Asks a model one small question, and again each minute until it answers in our schema; says meanwhile what is wrong.
pub(super) async fn try_out(adviser: &ModelOrRules, trouble: &watch::Sender<Option<String>>) {
    let ModelOrRules::Model(model) = adviser else { return };
    loop {
        let probed = model.probe(PROBE_WITHIN).await;
        let Some(why) = probed.doubt else {
            tracing::info!(shape = ?probed.shape, passed_over = ?probed.passed_over, "the adviser answers");
            trouble.send_replace(None);
            return;
        };
        let words = format!(
            "The adviser does not answer as asked ({}): plans go by the rules alone. Check [adviser] url, model and \
             key_file; it is tried again each minute.",
            why.name()
        );
        tracing::warn!("{words}");
        trouble.send_replace(Some(words));
        tokio::time::sleep(PROBE_EVERY).await;
    }
}

fn options(settings: &Adviser, url: &str, model: &str) -> AdviserOptions {
    AdviserOptions {
        organization: settings.organization.clone(),
        project: settings.project.clone(),
        connect_timeout: settings.connect_timeout,
        answer_tokens_max: settings.answer_tokens_max,
        reuse_for: settings.reuse_for,
        circuit: CircuitOptions {
            failures_max: settings.breaker_failures_max,
            failures_rest: settings.breaker_failures_rest,
            vetoes_max: settings.breaker_vetoes_max,
            vetoes_within: settings.breaker_vetoes_within,
            vetoes_rest: settings.breaker_vetoes_rest,
        },
        ..AdviserOptions::new(url, model)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_server_that_is_not_there_is_a_trouble_that_says_what_to_check() {
        // Nobody listens there any more.
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        crate::adapters::llm_adviser::install_ring();
        let (url, model) = (format!("http://127.0.0.1:{port}/v1"), "m");
        let adviser = LlmAdviser::new(options(&Adviser::example(), &url, model)).unwrap();
        let (trouble, mut told) = watch::channel(None);
        let adviser = ModelOrRules::Model(Box::new(adviser));
        tokio::select! {
            () = try_out(&adviser, &trouble) => panic!("it answers"),
            changed = told.changed() => changed.unwrap(),
        }
        let words = told.borrow().clone().unwrap();
        assert!(words.contains("rules alone") && words.contains("[adviser] url"), "{words}");
    }

    #[test]
    fn the_settings_defaults_are_the_advisers_own() {
        let (url, model) = ("http://127.0.0.1:8080/v1", "m");
        let ours = options(&Adviser::example(), url, model);
        assert_eq!(format!("{ours:?}"), format!("{:?}", AdviserOptions::new(url, model)));
    }
}
