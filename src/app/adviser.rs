//! From `[adviser]` to an adviser: the model, where a server is named, else the rules alone.

use anyhow::Context;

use crate::adapters::llm_adviser::{AdviserOptions, ApiKey, CircuitOptions, LlmAdviser, ModelOrRules, RulesOnly};
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
    fn the_settings_defaults_are_the_advisers_own() {
        let (url, model) = ("http://127.0.0.1:8080/v1", "m");
        let ours = options(&Adviser::example(), url, model);
        assert_eq!(format!("{ours:?}"), format!("{:?}", AdviserOptions::new(url, model)));
    }
}
