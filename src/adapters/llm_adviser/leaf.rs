//! The last step to the network: one attempt, no redirect, a capped body, and errors that hold none of the answer.
//!
//! async-openai's own leaf would retry three times, obey any `Retry-After`, read without limit and log what it could not
//! read. Deliberately no deadline here: the adviser's is outermost.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use async_openai::error::OpenAIError;
use async_openai::middleware::{HttpRequestFactory, ReqwestService};
use reqwest::{Response, StatusCode};
use tower::Service;

use super::options::{AdviserError, AdviserOptions, Transport};
use super::wire::Completion;
use crate::model::advice::NoOpinion;

/// Why a call gave no completion; carries nothing of what was sent or answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the call ended as {}", .0.name())]
pub(super) struct CallFailed(pub(super) NoOpinion);

/// Gives the reason that an error of async-openai stands for.
pub(super) fn reason(error: OpenAIError) -> NoOpinion {
    match error {
        OpenAIError::Boxed(boxed) => boxed.downcast::<CallFailed>().map_or(NoOpinion::BadEnvelope, |failed| failed.0),
        OpenAIError::Reqwest(_) => NoOpinion::Unreachable,
        OpenAIError::ApiError(_)
        | OpenAIError::JSONDeserialize(..)
        | OpenAIError::FileSaveError(_)
        | OpenAIError::FileReadError(_)
        | OpenAIError::StreamError(_)
        | OpenAIError::InvalidArgument(_) => NoOpinion::BadEnvelope,
    }
}

/// Gives an HTTP client that follows nothing, retries nothing and reads no environment.
///
/// Errors: [`AdviserError`], where reqwest itself would panic.
pub(super) fn http_client(options: &AdviserOptions, transport: Transport) -> Result<reqwest::Client, AdviserError> {
    if tokio_rustls::rustls::crypto::CryptoProvider::get_default().is_none() {
        return Err(AdviserError::NoTlsProvider);
    }
    let builder = reqwest::Client::builder()
        .user_agent(concat!("tanist/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(options.connect_timeout)
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .referer(false)
        .no_proxy()
        .pool_max_idle_per_host(1);
    let builder = match transport {
        Transport::Tls => builder.https_only(true),
        // A machine without certificates must still reach a model of its own.
        Transport::Plain => builder.tls_certs_only([]),
    };
    builder.build().map_err(AdviserError::Client)
}

/// The tower service that async-openai sends through.
#[derive(Debug, Clone)]
pub(super) struct Leaf {
    inner: ReqwestService,
    bytes_max: usize,
}

impl Leaf {
    /// Gives a leaf over a client, reading at most `bytes_max` of a body.
    pub(super) fn new(client: reqwest::Client, bytes_max: usize) -> Self {
        Self { inner: ReqwestService::new(client), bytes_max }
    }
}

impl Service<HttpRequestFactory> for Leaf {
    type Response = Response;
    type Error = OpenAIError;
    type Future = Pin<Box<dyn Future<Output = Result<Response, OpenAIError>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), OpenAIError>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: HttpRequestFactory) -> Self::Future {
        let sent = self.inner.call(request);
        let bytes_max = self.bytes_max;
        Box::pin(async move { completed(sent.await?, bytes_max).await.map_err(boxed) })
    }
}

fn boxed(why: NoOpinion) -> OpenAIError {
    OpenAIError::Boxed(Box::new(CallFailed(why)))
}

/// Gives the answer back with its whole body, if it is a completion at all.
async fn completed(mut response: Response, bytes_max: usize) -> Result<Response, NoOpinion> {
    if let Some(why) = refusal(response.status()) {
        return Err(why);
    }
    let fits = |bytes: usize| if bytes <= bytes_max { Ok(()) } else { Err(NoOpinion::TooLarge) };
    let announced = response.content_length().unwrap_or(0);
    fits(usize::try_from(announced).unwrap_or(usize::MAX))?;
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|_| NoOpinion::Unreachable)? {
        fits(body.len().saturating_add(chunk.len()))?;
        body.extend_from_slice(&chunk);
    }
    // async-openai logs a body that it cannot read; it only gets bodies that it can.
    serde_json::from_slice::<Completion>(&body).map_err(|_| NoOpinion::BadEnvelope)?;
    Ok(Response::from(http::Response::new(body)))
}

/// Gives the reason that a status other than success stands for.
fn refusal(status: StatusCode) -> Option<NoOpinion> {
    let code = status.as_u16();
    match code {
        200..=299 => None,
        429 => Some(NoOpinion::RateLimited),
        300..=399 => Some(NoOpinion::Redirected { status: code }),
        408 => Some(NoOpinion::ServerFailed { status: code }),
        400..=499 => Some(NoOpinion::Refused { status: code }),
        _ => Some(NoOpinion::ServerFailed { status: code }),
    }
}
