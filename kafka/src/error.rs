//! Errors by the reaction they ask for.

use rdkafka::error::{KafkaError, RDKafkaErrorCode};

/// The one reaction to an error.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// Do the same again, after a pause: it has not happened, and the client goes on.
    Retry,
    /// Abort the transaction and do its work again, with the same consumer. From a commit: it is aborted already.
    Abort,
    /// Fenced, fatal, or an outcome that nobody knows: give up what the client owned. A new client begins at what
    /// Kafka says.
    GiveUp,
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
            Kind::GiveUp
        } else if error.txn_requires_abort() {
            Kind::Abort
        } else {
            // Also what is not marked retriable: only a fatal error makes a producer useless.
            Kind::Retry
        };
    }
    if matches!(error, KafkaError::MessageConsumptionFatal(_)) {
        return Kind::GiveUp;
    }
    match error.rdkafka_error_code() {
        Some(RDKafkaErrorCode::Fatal | RDKafkaErrorCode::ProducerFenced | RDKafkaErrorCode::Fenced) => Kind::GiveUp,
        Some(
            RDKafkaErrorCode::IllegalGeneration
            | RDKafkaErrorCode::UnknownMemberId
            | RDKafkaErrorCode::FencedInstanceId,
        ) => Kind::GiveUp,
        _ => Kind::Retry,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use RDKafkaErrorCode as Code;

    #[test]
    fn each_error_asks_for_one_reaction() {
        for (error, expected) in [
            (KafkaError::MessageProduction(Code::QueueFull), Kind::Retry),
            (KafkaError::MetadataFetch(Code::BrokerTransportFailure), Kind::Retry),
            (KafkaError::MessageProduction(Code::Fatal), Kind::GiveUp),
            (KafkaError::MessageProduction(Code::ProducerFenced), Kind::GiveUp),
            (KafkaError::MessageConsumption(Code::FencedInstanceId), Kind::GiveUp),
            (KafkaError::MessageConsumptionFatal(Code::FencedInstanceId), Kind::GiveUp),
        ] {
            assert_eq!(kind(&error), expected, "{error}");
        }
    }
}
