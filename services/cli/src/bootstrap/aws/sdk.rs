//! WAFv2 through the AWS SDK, one call per method, every failure a sentence.

use std::time::Duration;

use aws_config::BehaviorVersion;
use aws_config::timeout::TimeoutConfig;
use aws_sdk_wafv2::Client;
use aws_sdk_wafv2::config::{Credentials, Region};
use aws_sdk_wafv2::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_wafv2::types::{
    AllowAction, DefaultAction, IpAddressVersion, Rule, Scope, Tag, WebAcl,
};

use super::rules;
use crate::args::{BootstrapAws, WafScope};
use crate::bootstrap::aws_plan::FoundSet;
use crate::failure::{Failure, innermost};

/// What marks a resource as ours.
const TAG_KEY: &str = "perimeter";
const TAG_VALUE: &str = "owned";
/// How an executor begins the description of a set it wrote.
const MARK: &str = "perimeter epoch=";
const DESCRIPTION: &str = "perimeter";
const PAGE: i32 = 100;
/// Most pages of a list; far above AWS's quotas, so that a broken answer cannot loop for ever.
const PAGES_MAX: usize = 100;
const CALL_TIMEOUT: Duration = Duration::from_secs(20);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(4);
/// A set just made may not be known everywhere yet.
const UNAVAILABLE_RETRIES: usize = 10;
const UNAVAILABLE_WAIT: Duration = Duration::from_secs(2);

/// A web ACL with what is needed to change it.
pub(super) struct Acl {
    pub(super) web_acl: WebAcl,
    pub(super) owned: bool,
    lock_token: Option<String>,
}

pub(super) struct Waf {
    client: Client,
    scope: Scope,
    place: String,
}

impl Waf {
    pub(super) async fn connect(
        arguments: &BootstrapAws,
        region: Option<String>,
    ) -> Result<Waf, Failure> {
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .operation_timeout(CALL_TIMEOUT)
            .build();
        let mut loader = aws_config::defaults(BehaviorVersion::latest()).timeout_config(timeouts);
        if let Some(region) = region {
            loader = loader.region(Region::new(region));
        } else if arguments.endpoint.is_some() {
            loader = loader.region(Region::new("us-east-1"));
        }
        if let Some(endpoint) = &arguments.endpoint {
            if !(endpoint.starts_with("http://") || endpoint.starts_with("https://")) {
                return Err(Failure::Configuration(format!(
                    "--endpoint {endpoint} is no URL; write for example http://127.0.0.1:5000"
                )));
            }
            loader = loader.endpoint_url(endpoint);
            if std::env::var_os("AWS_ACCESS_KEY_ID").is_none() && loopback(endpoint) {
                // An emulator on this machine takes any credentials; AWS is never asked with these.
                loader = loader.credentials_provider(Credentials::new(
                    "local", "local", None, None, "emulator",
                ));
            }
        }
        let config = loader.load().await;
        let Some(region) = config.region() else {
            return Err(Failure::Configuration(
                "no AWS region is set; give --region or set AWS_REGION".to_owned(),
            ));
        };
        let place = arguments.endpoint.clone().unwrap_or_else(|| format!("AWS in {region}"));
        let scope = match arguments.scope {
            WafScope::Regional => Scope::Regional,
            WafScope::Cloudfront => Scope::Cloudfront,
        };
        Ok(Waf { client: Client::new(&config), scope, place })
    }

    pub(super) fn scope_name(&self) -> &str {
        self.scope.as_str()
    }

    pub(super) async fn find_set(&self, name: &str) -> Result<Option<FoundSet>, Failure> {
        let mut marker = None;
        for _ in 0..PAGES_MAX {
            let asked = self
                .client
                .list_ip_sets()
                .scope(self.scope.clone())
                .limit(PAGE)
                .set_next_marker(marker);
            let page =
                asked.send().await.map_err(|error| self.failed("list the IP sets", &error))?;
            for summary in page.ip_sets() {
                if let (true, Some(id), Some(arn)) =
                    (summary.name() == Some(name), summary.id(), summary.arn())
                {
                    return self.describe_set(name, id, arn).await.map(Some);
                }
            }
            marker = page.next_marker().filter(|marker| !marker.is_empty()).map(str::to_owned);
            if marker.is_none() {
                return Ok(None);
            }
        }
        Err(Failure::Error(format!("{} lists more IP sets than AWS allows", self.place)))
    }

    async fn describe_set(&self, name: &str, id: &str, arn: &str) -> Result<FoundSet, Failure> {
        let asked =
            self.client.get_ip_set().name(name).id(id).scope(self.scope.clone()).send().await;
        let answer =
            asked.map_err(|error| self.failed(&format!("read the IP set {name}"), &error))?;
        let Some(set) = answer.ip_set() else {
            return Err(Failure::Error(format!(
                "{} answered without the IP set {name}",
                self.place
            )));
        };
        Ok(FoundSet {
            id: id.to_owned(),
            arn: arn.to_owned(),
            ipv6: set.ip_address_version() == &IpAddressVersion::Ipv6,
            owned: self.owned(arn).await?,
            marked: set.description().is_some_and(|text| text.starts_with(MARK)),
        })
    }

    pub(super) async fn create_set(&self, name: &str, ipv6: bool) -> Result<String, Failure> {
        let version = if ipv6 { IpAddressVersion::Ipv6 } else { IpAddressVersion::Ipv4 };
        let asked = self
            .client
            .create_ip_set()
            .name(name)
            .scope(self.scope.clone())
            .ip_address_version(version);
        let asked = asked
            .set_addresses(Some(Vec::new()))
            .description(DESCRIPTION)
            .tags(tag()?)
            .send()
            .await;
        let answer =
            asked.map_err(|error| self.failed(&format!("create the IP set {name}"), &error))?;
        arn(answer.summary().and_then(|summary| summary.arn()), name)
    }

    /// Forgets which epoch wrote the set; its addresses stay.
    pub(super) async fn unmark_set(&self, name: &str, id: &str) -> Result<(), Failure> {
        let asked =
            self.client.get_ip_set().name(name).id(id).scope(self.scope.clone()).send().await;
        let answer =
            asked.map_err(|error| self.failed(&format!("read the IP set {name}"), &error))?;
        let addresses = answer.ip_set().map(|set| set.addresses().to_vec()).unwrap_or_default();
        let asked = self
            .client
            .update_ip_set()
            .name(name)
            .id(id)
            .scope(self.scope.clone())
            .description(DESCRIPTION);
        let asked =
            asked.set_addresses(Some(addresses)).set_lock_token(answer.lock_token).send().await;
        asked.map(|_| ()).map_err(|error| self.failed(&format!("adopt the IP set {name}"), &error))
    }

    pub(super) async fn find_acl(&self, name: &str) -> Result<Option<Acl>, Failure> {
        let mut marker = None;
        for _ in 0..PAGES_MAX {
            let asked = self
                .client
                .list_web_acls()
                .scope(self.scope.clone())
                .limit(PAGE)
                .set_next_marker(marker);
            let page =
                asked.send().await.map_err(|error| self.failed("list the web ACLs", &error))?;
            for summary in page.web_acls() {
                if let (true, Some(id)) = (summary.name() == Some(name), summary.id()) {
                    return self.describe_acl(name, id).await.map(Some);
                }
            }
            marker = page.next_marker().filter(|marker| !marker.is_empty()).map(str::to_owned);
            if marker.is_none() {
                return Ok(None);
            }
        }
        Err(Failure::Error(format!("{} lists more web ACLs than AWS allows", self.place)))
    }

    async fn describe_acl(&self, name: &str, id: &str) -> Result<Acl, Failure> {
        let asked =
            self.client.get_web_acl().name(name).id(id).scope(self.scope.clone()).send().await;
        let answer =
            asked.map_err(|error| self.failed(&format!("read the web ACL {name}"), &error))?;
        let Some(web_acl) = answer.web_acl else {
            return Err(Failure::Error(format!(
                "{} answered without the web ACL {name}",
                self.place
            )));
        };
        let owned = self.owned(web_acl.arn()).await?;
        Ok(Acl { web_acl, owned, lock_token: answer.lock_token })
    }

    pub(super) async fn create_acl(&self, name: &str, rules: Vec<Rule>) -> Result<String, Failure> {
        let allow = DefaultAction::builder().allow(AllowAction::builder().build()).build();
        let visibility =
            rules::visibility(name).map_err(|error| Failure::Error(error.to_string()))?;
        let mut tries = 0;
        loop {
            let asked = self
                .client
                .create_web_acl()
                .name(name)
                .scope(self.scope.clone())
                .description(DESCRIPTION);
            let asked = asked
                .default_action(allow.clone())
                .visibility_config(visibility.clone())
                .tags(tag()?);
            match asked.set_rules(Some(rules.clone())).send().await {
                Ok(answer) => return arn(answer.summary().and_then(|summary| summary.arn()), name),
                Err(error) if unavailable(&error) && tries < UNAVAILABLE_RETRIES => tries += 1,
                Err(error) => {
                    return Err(self.failed(&format!("create the web ACL {name}"), &error));
                }
            }
            tokio::time::sleep(UNAVAILABLE_WAIT).await;
        }
    }

    /// Adds rules and leaves everything else of the web ACL as it is.
    pub(super) async fn extend_acl(&self, acl: &Acl, new_rules: Vec<Rule>) -> Result<(), Failure> {
        let held = &acl.web_acl;
        let rules = held.rules().iter().cloned().chain(new_rules).collect();
        let asked = self
            .client
            .update_web_acl()
            .name(held.name())
            .id(held.id())
            .scope(self.scope.clone())
            .set_lock_token(acl.lock_token.clone())
            .set_rules(Some(rules))
            .set_default_action(held.default_action.clone())
            .set_description(held.description.clone().filter(|text| !text.is_empty()))
            .set_visibility_config(held.visibility_config.clone())
            .set_data_protection_config(held.data_protection_config.clone())
            .set_custom_response_bodies(held.custom_response_bodies.clone())
            .set_captcha_config(held.captcha_config.clone())
            .set_challenge_config(held.challenge_config.clone())
            .set_token_domains(held.token_domains.clone())
            .set_association_config(held.association_config.clone())
            .set_on_source_d_do_s_protection_config(held.on_source_d_do_s_protection_config.clone())
            .set_application_config(held.application_config.clone())
            .set_monetization_config(held.monetization_config.clone());
        let sent = asked.send().await;
        sent.map(|_| ()).map_err(|error| {
            self.failed(&format!("add rules to the web ACL {}", held.name()), &error)
        })
    }

    pub(super) async fn tag(&self, arn: &str) -> Result<(), Failure> {
        let asked = self.client.tag_resource().resource_arn(arn).tags(tag()?).send().await;
        asked.map(|_| ()).map_err(|error| self.failed(&format!("tag {arn} as ours"), &error))
    }

    async fn owned(&self, arn: &str) -> Result<bool, Failure> {
        let asked = self.client.list_tags_for_resource().resource_arn(arn).limit(PAGE).send().await;
        let answer =
            asked.map_err(|error| self.failed(&format!("read the tags of {arn}"), &error))?;
        let tags = answer.tag_info_for_resource().map(|info| info.tag_list()).unwrap_or_default();
        Ok(tags.iter().any(|tag| tag.key() == TAG_KEY && tag.value() == TAG_VALUE))
    }

    fn failed<E>(&self, what: &str, error: &SdkError<E>) -> Failure
    where
        E: std::error::Error + ProvideErrorMetadata + 'static,
    {
        let told = match (error.code(), error.message()) {
            (Some(code), Some(message)) => format!("{code}: {message}"),
            (Some(code), None) => code.to_owned(),
            _ => innermost(error),
        };
        Failure::Error(format!("could not {what} at {}: {told}", self.place))
    }
}

fn tag() -> Result<Tag, Failure> {
    let tag = Tag::builder().key(TAG_KEY).value(TAG_VALUE).build();
    tag.map_err(|error| Failure::Error(format!("could not build the tag: {error}")))
}

fn arn(arn: Option<&str>, name: &str) -> Result<String, Failure> {
    arn.map(str::to_owned)
        .ok_or_else(|| Failure::Error(format!("AWS answered without the ARN of {name}")))
}

fn unavailable<E: ProvideErrorMetadata>(error: &SdkError<E>) -> bool {
    error.code() == Some("WAFUnavailableEntityException")
}

/// Whether a URL names this machine.
fn loopback(endpoint: &str) -> bool {
    let host = endpoint.split("://").nth(1).unwrap_or_default();
    ["127.0.0.1", "localhost", "[::1]"].iter().any(|own| {
        host.strip_prefix(own)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with(':') || rest.starts_with('/'))
    })
}
