//! The two IP sets in AWS WAFv2, through the SDK. Region, endpoint and credentials are the SDK's own environment.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_config::BehaviorVersion;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_sdk_wafv2::Client;
use aws_sdk_wafv2::error::{DisplayErrorContext, SdkError};
use aws_sdk_wafv2::operation::update_ip_set::UpdateIPSetError;
use aws_sdk_wafv2::types::{IpAddressVersion, Scope};

use crate::config::{Waf, WafScope};
use crate::logic::ip_set::Family;
use crate::logic::waf::{Read, Write, WriteFault};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(3);
const OPERATION_TIMEOUT: Duration = Duration::from_secs(5);
const LIST_LIMIT: i32 = 100;
/// Longest part of a provider's own words that is repeated.
const CAUSE_CHARS_MAX: usize = 300;

/// The pair of sets by its names.
#[derive(Clone)]
pub struct Service {
    client: Client,
    scope: Scope,
    prefix: String,
    /// The provider's ids of the sets, learnt by their names.
    ids: Arc<Mutex<HashMap<Family, String>>>,
}

impl Service {
    /// Reads the SDK's environment. Connects to nothing.
    pub async fn new(waf: &Waf) -> Self {
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .operation_attempt_timeout(ATTEMPT_TIMEOUT)
            .operation_timeout(OPERATION_TIMEOUT)
            .build();
        let config = aws_config::defaults(BehaviorVersion::latest())
            .retry_config(RetryConfig::disabled())
            .timeout_config(timeouts)
            .load()
            .await;
        let scope = match waf.scope {
            WafScope::Regional => Scope::Regional,
            WafScope::CloudFront => Scope::Cloudfront,
        };
        Service {
            client: Client::new(&config),
            scope,
            prefix: waf.prefix.clone(),
            ids: Arc::default(),
        }
    }

    fn name(&self, family: Family) -> String {
        format!("{}-{}", self.prefix, family.suffix())
    }

    pub(super) async fn read(&self, family: Family) -> Result<Read, String> {
        let name = self.name(family);
        let id = self.id(family, &name).await?;
        let call = self.client.get_ip_set().name(&name).scope(self.scope.clone()).id(&id);
        let answer = match call.send().await {
            Ok(answer) => answer,
            Err(error) => {
                // The set may have been made anew under another id.
                self.ids().remove(&family);
                return Err(cause(&error));
            }
        };
        let version = match family {
            Family::V4 => IpAddressVersion::Ipv4,
            Family::V6 => IpAddressVersion::Ipv6,
        };
        match (answer.ip_set, answer.lock_token) {
            (Some(set), Some(lock_token))
                if set.name == name && set.ip_address_version == version =>
            {
                Ok(Read {
                    addresses: set.addresses,
                    description: set.description.unwrap_or_default(),
                    lock_token,
                })
            }
            _ => Err(format!("the answer to GetIPSet is not the {} set {name}", version.as_str())),
        }
    }

    pub(super) async fn write(&self, write: &Write) -> Result<(), WriteFault> {
        let name = self.name(write.family);
        let id = self.id(write.family, &name).await.map_err(WriteFault::Unavailable)?;
        let description = (!write.description.is_empty()).then(|| write.description.clone());
        let sent = self
            .client
            .update_ip_set()
            .name(&name)
            .scope(self.scope.clone())
            .id(id)
            .set_description(description)
            .set_addresses(Some(write.addresses.clone()))
            .lock_token(&write.lock_token)
            .send()
            .await;
        sent.map(|_| ()).map_err(|error| {
            let cause = cause(&error);
            match error.as_service_error() {
                Some(UpdateIPSetError::WafOptimisticLockException(_)) => WriteFault::Conflict,
                Some(
                    UpdateIPSetError::WafInvalidParameterException(_)
                    | UpdateIPSetError::WafLimitsExceededException(_)
                    | UpdateIPSetError::WafInvalidOperationException(_),
                ) => WriteFault::Refused(cause),
                _ => WriteFault::Unavailable(cause),
            }
        })
    }

    /// The id of a set, by its name; all pages of the list are read.
    async fn id(&self, family: Family, name: &str) -> Result<String, String> {
        if let Some(id) = self.ids().get(&family) {
            return Ok(id.clone());
        }
        let mut marker = None;
        loop {
            let call = self.client.list_ip_sets().scope(self.scope.clone()).limit(LIST_LIMIT);
            let page = call.set_next_marker(marker).send().await.map_err(|error| cause(&error))?;
            let sets = page.ip_sets.unwrap_or_default();
            let named = sets.iter().find(|set| set.name.as_deref() == Some(name));
            if let Some(id) = named.and_then(|set| set.id.clone()) {
                self.ids().insert(family, id.clone());
                return Ok(id);
            }
            marker = page.next_marker.filter(|marker| !marker.is_empty() && !sets.is_empty());
            if marker.is_none() {
                return Err(format!(
                    "there is no IP set {name}; run `perimeter bootstrap aws`, which makes it"
                ));
            }
        }
    }

    fn ids(&self) -> std::sync::MutexGuard<'_, HashMap<Family, String>> {
        self.ids.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn cause<E>(error: &SdkError<E>) -> String
where
    E: std::error::Error + 'static,
{
    DisplayErrorContext(error).to_string().chars().take(CAUSE_CHARS_MAX).collect()
}
