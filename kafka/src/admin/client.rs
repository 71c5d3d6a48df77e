//! Asks the broker about topics and has it make and delete them. What they should be like is `shape`'s.

use super::shape::{Found, settings};
use super::{Error, Partitions};
use crate::ends::BROKER_WAIT;
use crate::{Error as ClientError, KafkaConfig};
use rdkafka::admin::{AdminClient, AdminOptions, ConfigResource, NewTopic, ResourceSpecifier, TopicReplication};
use rdkafka::admin::{OwnedResourceSpecifier, TopicResult};
use rdkafka::client::DefaultClientContext;
use rdkafka::error::{KafkaResult, RDKafkaErrorCode};
use rdkafka::metadata::MetadataTopic;
use schemas::topic::Topic;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;
use std::time::{Duration, Instant};

/// Making and deleting topics on a busy cluster.
const CHANGE_WAIT: Duration = Duration::from_secs(30);

pub struct Admin(AdminClient<DefaultClientContext>);

impl Admin {
    pub fn open(config: &KafkaConfig) -> Result<Admin, Error> {
        let client = config.base("admin").create();
        client.map(Admin).map_err(|error| ClientError::new("making an admin client", error).into())
    }

    /// Those of the named topics that exist.
    pub fn topics(&self, names: &[String]) -> Result<Vec<Found>, Error> {
        let doing = "describing the topics";
        // Asking for all topics rather than by name keeps a broker from making them with its own defaults.
        let metadata = self.0.inner().fetch_metadata(None, BROKER_WAIT);
        let metadata = metadata.map_err(|error| ClientError::new(doing, error))?;
        let ours: Vec<&MetadataTopic> =
            metadata.topics().iter().filter(|topic| names.iter().any(|name| name == topic.name())).collect();
        if ours.is_empty() {
            return Ok(Vec::new());
        }
        let resources: Vec<_> = ours.iter().map(|topic| ResourceSpecifier::Topic(topic.name())).collect();
        let described = wait_on(self.0.describe_configs(&resources, &options()));
        let described = described.map_err(|error| ClientError::new(doing, error))?;
        let resources: Vec<ConfigResource> = described.into_iter().filter_map(Result::ok).collect();
        Ok(ours.into_iter().map(|topic| found(topic, &resources)).collect())
    }

    /// Returns when every topic has leaders, so that clients find it.
    pub fn create(
        &self,
        config: &KafkaConfig,
        topics: &[Topic],
        partitions: Partitions,
        replication: i32,
    ) -> Result<(), Error> {
        if topics.is_empty() {
            return Ok(());
        }
        let named: Vec<_> = topics
            .iter()
            .map(|&topic| (config.topics().name(topic), topic.partitions(partitions.0), settings(topic, replication)))
            .collect();
        let new: Vec<NewTopic<'_>> = named
            .iter()
            .map(|(name, partitions, settings)| {
                let topic = NewTopic::new(name, *partitions, TopicReplication::Fixed(replication));
                settings.iter().fold(topic, |topic, (setting, value)| topic.set(setting, value))
            })
            .collect();
        let results = wait_on(self.0.create_topics(&new, &options()));
        // Another `create` at the same time made it, with settings that the next check compares.
        refuse_failed("creating topic", results, RDKafkaErrorCode::TopicAlreadyExists)?;
        let names: Vec<String> = named.into_iter().map(|(name, _, _)| name).collect();
        self.wait_until(&names, |topic| {
            topic.is_some_and(|topic| topic.partitions().iter().all(|partition| partition.leader() >= 0))
        })
    }

    /// Returns when they are gone, so that they can be made anew.
    pub fn delete(&self, names: &[String]) -> Result<(), Error> {
        let names_str: Vec<&str> = names.iter().map(String::as_str).collect();
        let results = wait_on(self.0.delete_topics(&names_str, &options()));
        refuse_failed("deleting topic", results, RDKafkaErrorCode::UnknownTopicOrPartition)?;
        self.wait_until(names, |topic| topic.is_none())
    }

    /// Waits for members, since static ones leave only when their session ends, and for the group's coordinator.
    pub fn delete_group(&self, group: &str) -> Result<(), Error> {
        let doing = "deleting the group";
        let started = Instant::now();
        loop {
            let results = wait_on(self.0.delete_groups(&[group], &options()));
            match results.map_err(|error| ClientError::new(doing, error))?.into_iter().next() {
                None | Some(Ok(_) | Err((_, RDKafkaErrorCode::GroupIdNotFound))) => return Ok(()),
                Some(Err((_, code))) if passes(code) && started.elapsed() < CHANGE_WAIT => {
                    std::thread::sleep(Duration::from_millis(200));
                }
                Some(Err((group, code))) => {
                    return Err(Error::Refused { doing, topic: group, reason: code.to_string() });
                }
            }
        }
    }

    pub fn cluster_id(&self) -> Result<String, Error> {
        let reason = || format!("no answer within {} s", BROKER_WAIT.as_secs());
        self.0.inner().fetch_cluster_id(BROKER_WAIT).ok_or_else(|| Error::Refused {
            doing: "asking for the id of",
            topic: "the cluster".into(),
            reason: reason(),
        })
    }

    fn wait_until(&self, names: &[String], done: impl Fn(Option<&MetadataTopic>) -> bool) -> Result<(), Error> {
        let started = Instant::now();
        loop {
            let metadata = self.0.inner().fetch_metadata(None, BROKER_WAIT);
            let metadata = metadata.map_err(|error| ClientError::new("describing the topics", error))?;
            let find = |name: &str| metadata.topics().iter().find(|topic| topic.name() == name);
            let Some(waiting) = names.iter().find(|name| !done(find(name))) else { return Ok(()) };
            if started.elapsed() > CHANGE_WAIT {
                return Err(Error::NotReady { topic: waiting.clone(), waited_ms: started.elapsed().as_millis() });
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

/// What keeps a group from being deleted, for now.
fn passes(code: RDKafkaErrorCode) -> bool {
    use RDKafkaErrorCode as Code;
    matches!(
        code,
        Code::NonEmptyGroup | Code::NotCoordinator | Code::CoordinatorNotAvailable | Code::CoordinatorLoadInProgress
    )
}

fn options() -> AdminOptions {
    AdminOptions::new().request_timeout(Some(CHANGE_WAIT)).operation_timeout(Some(CHANGE_WAIT))
}

fn found(topic: &MetadataTopic, resources: &[ConfigResource]) -> Found {
    let is_ours = |resource: &&ConfigResource| match &resource.specifier {
        OwnedResourceSpecifier::Topic(name) => name == topic.name(),
        OwnedResourceSpecifier::Group(_) | OwnedResourceSpecifier::Broker(_) => false,
    };
    let entries = resources.iter().find(is_ours).into_iter().flat_map(|resource| &resource.entries);
    let copies = topic.partitions().iter().map(|partition| partition.replicas().len());
    Found {
        name: topic.name().to_owned(),
        partitions: topic.partitions().len() as i32,
        replication: copies.min().unwrap_or(0) as i32,
        settings: entries.map(|entry| (entry.name.clone(), entry.value.clone().unwrap_or_default())).collect(),
    }
}

/// `fine` is the answer that says there was nothing to do.
fn refuse_failed(
    doing: &'static str,
    results: KafkaResult<Vec<TopicResult>>,
    fine: RDKafkaErrorCode,
) -> Result<(), Error> {
    for result in results.map_err(|error| ClientError::new(doing, error))? {
        match result {
            Ok(_) => {}
            Err((_, code)) if code == fine => {}
            Err((topic, code)) => return Err(Error::Refused { doing, topic, reason: code.to_string() }),
        }
    }
    Ok(())
}

/// Waits for one of the admin client's answers, which its own thread brings: no runtime is needed, and a caller that is
/// within one is not in its way.
fn wait_on<T>(answer: impl Future<Output = T>) -> T {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let mut answer = pin!(answer);
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut context = Context::from_waker(&waker);
    loop {
        match answer.as_mut().poll(&mut context) {
            Poll::Ready(answer) => return answer,
            Poll::Pending => std::thread::park(),
        }
    }
}
