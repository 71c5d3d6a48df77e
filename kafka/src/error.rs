//! Errors by the reaction they ask for.

use rdkafka::error::{KafkaError, RDKafkaErrorCode};

/// What to do about an error.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// Do the same again, after a pause.
    Transient,
    /// Abort the transaction and do its work again.
    Abort,
    /// Another process has taken over, or the client is of no more use: give up what it owned and make a new one.
    Fenced,
}

#[derive(Debug, thiserror::Error)]
#[error("{doing}: {source}")]
pub struct Error {
    pub doing: &'static str,
    pub kind: Kind,
    #[source]
    pub source: KafkaError,
}

impl Error {
    pub fn new(doing: &'static str, source: KafkaError) -> Error {
        Error { doing, kind: kind(&source), source }
    }
}

fn kind(error: &KafkaError) -> Kind {
    if let KafkaError::Transaction(error) = error {
        return if error.is_fatal() {
            Kind::Fenced
        } else if error.txn_requires_abort() {
            Kind::Abort
        } else {
            // Also what is not marked retriable: only a fatal error makes a producer useless.
            Kind::Transient
        };
    }
    match error.rdkafka_error_code() {
        Some(RDKafkaErrorCode::Fatal | RDKafkaErrorCode::ProducerFenced | RDKafkaErrorCode::Fenced) => Kind::Fenced,
        Some(
            RDKafkaErrorCode::IllegalGeneration
            | RDKafkaErrorCode::UnknownMemberId
            | RDKafkaErrorCode::FencedInstanceId,
        ) => Kind::Fenced,
        _ => Kind::Transient,
    }
}
