//! From `[adviser]` to an adviser: the model, where a server is named, else the rules alone.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::adapters::llm_adviser::{
    AdviserOptions, ApiKey, CircuitOptions, LlmAdviser, ModelOrRules, Probed, RulesOnly,
};
use crate::config::sections::Adviser;

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

/// How long the server may take to show in which form it answers; a small model on a busy machine reads our question in seconds.
const PROBE_WITHIN: Duration = Duration::from_secs(60);

/// How soon a server that did not answer in our schema is tried again: it may only have been started after this node.
const PROBE_AGAIN_AFTER: Duration = Duration::from_secs(60);

/// Begins to find the form in which the server answers; gives what is wrong meanwhile, as a sentence for `status`.
pub(super) fn begin_probing(adviser: &Arc<ModelOrRules>) -> (JoinHandle<()>, watch::Receiver<Option<String>>) {
    let (tell, trouble) = watch::channel(None);
    (tokio::spawn(probe(Arc::clone(adviser), tell)), trouble)
}

/// Finds the form in which the server answers, until one works.
async fn probe(adviser: Arc<ModelOrRules>, trouble: watch::Sender<Option<String>>) {
    let ModelOrRules::Model(model) = adviser.as_ref() else { return };
    loop {
        let probed = model.probe(PROBE_WITHIN).await;
        let told = told(&probed);
        match &told {
            None => tracing::info!(shape = ?probed.shape, "the adviser answers in our schema"),
            Some(trouble) => tracing::warn!(passed_over = ?probed.passed_over, "{trouble}"),
        }
        // Without anybody to tell, the log says it.
        let _ = trouble.send(told);
        if probed.doubt.is_none() {
            return;
        }
        tokio::time::sleep(PROBE_AGAIN_AFTER).await;
    }
}

fn told(probed: &Probed) -> Option<String> {
    let tried = probed.passed_over.len().saturating_add(1);
    let why = probed.doubt?;
    Some(format!(
        "The adviser's server does not answer in our schema ({}, {tried} of its forms tried): the rules decide alone until it \
         does; see [adviser].",
        why.name()
    ))
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

    #[test]
    fn a_server_that_answers_is_no_trouble_and_one_that_does_not_is_named() {
        let shape = crate::adapters::llm_adviser::Ladder::default().shape();
        let probed = |doubt| Probed { shape, doubt, passed_over: Vec::new() };
        assert_eq!(told(&probed(None)), None);
        let said = told(&probed(Some(crate::model::advice::NoOpinion::Unreachable))).unwrap();
        assert!(said.contains("unreachable") && said.contains("[adviser]"), "{said}");
    }

    #[test]
    fn the_settings_defaults_are_the_advisers_own() {
        let (url, model) = ("http://127.0.0.1:8080/v1", "m");
        let ours = options(&Adviser::example(), url, model);
        assert_eq!(format!("{ours:?}"), format!("{:?}", AdviserOptions::new(url, model)));
    }
}
