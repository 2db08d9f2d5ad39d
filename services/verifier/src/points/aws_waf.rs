//! Reads the WAF's IP sets back. Writes nothing.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use aws_config::timeout::TimeoutConfig;
use aws_sdk_wafv2::Client;
use aws_sdk_wafv2::types::Scope as AwsScope;
use ipnet::IpNet;
use schemas::observable::canonical_network;

use crate::config::{Scope, Waf};
use crate::logic::{IpSet, ReadWaf, WafRead};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
const READ_TIMEOUT: Duration = Duration::from_secs(3);
/// Most pages of IP sets that are looked through: 100 sets are an account's default quota.
const PAGES_MAX: usize = 20;

/// The two IP sets.
#[derive(Clone)]
pub struct Sets {
    client: Client,
    waf: Waf,
    /// Id of each set by name, looked up once.
    ids: Arc<Mutex<HashMap<String, String>>>,
    /// The last read failed, and that was said.
    failing: Arc<AtomicBool>,
}

impl Sets {
    /// Uses the standard AWS environment. Connects to nothing yet.
    pub async fn connect(waf: Waf) -> Self {
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .operation_timeout(READ_TIMEOUT)
            .build();
        let config = aws_config::defaults(aws_config::BehaviorVersion::latest())
            .timeout_config(timeouts)
            .load()
            .await;
        Sets { client: Client::new(&config), waf, ids: Arc::default(), failing: Arc::default() }
    }

    /// Reads the sets that are asked for; `None` when one could not be read.
    pub async fn read(&self, asked: ReadWaf) -> Option<WafRead> {
        let v4 = async { if asked.v4 { self.set("v4").await.map(Some) } else { Ok(None) } };
        let v6 = async { if asked.v6 { self.set("v6").await.map(Some) } else { Ok(None) } };
        match tokio::try_join!(v4, v6) {
            Ok((v4, v6)) => {
                if self.failing.swap(false, Ordering::Relaxed) {
                    tracing::info!("the WAF can be read back again");
                }
                Some(WafRead { v4, v6, asked_at: asked.asked_at })
            }
            Err(error) => {
                metrics::counter!("perimeter_read_back_failed_total", "point" => "aws-waf")
                    .increment(1);
                if !self.failing.swap(true, Ordering::Relaxed) {
                    let error = format!("{error:#}");
                    tracing::warn!(
                        error,
                        "could not read the WAF back: until that works, nothing in it is proved"
                    );
                }
                None
            }
        }
    }

    async fn set(&self, family: &str) -> Result<IpSet> {
        let name = format!("{}-{family}", self.waf.set_prefix);
        let id = match self.known(&name) {
            Some(id) => id,
            None => self.find(&name).await?,
        };
        let got = self.client.get_ip_set().name(&name).scope(self.scope()).id(&id).send().await;
        let got = match got {
            Ok(got) => got,
            Err(error) => {
                // A set that was made anew has another id: look for it the next time.
                self.forget(&name);
                return Err(error).with_context(|| format!("could not read the IP set {name}"));
            }
        };
        let Some(set) = got.ip_set else { bail!("the answer for {name} holds no IP set") };
        set.addresses
            .iter()
            .map(|text| text.parse::<IpNet>().map(canonical_network))
            .collect::<Result<IpSet, _>>()
            .with_context(|| format!("the IP set {name} holds something that is no network"))
    }

    async fn find(&self, name: &str) -> Result<String> {
        let mut marker: Option<String> = None;
        for _ in 0..PAGES_MAX {
            let list = self.client.list_ip_sets().scope(self.scope()).set_next_marker(marker);
            let page = list.send().await.context("could not list the IP sets")?;
            let own = page.ip_sets().iter().find(|set| set.name() == Some(name));
            if let Some(id) = own.and_then(|set| set.id()) {
                self.remember(name, id);
                return Ok(id.to_owned());
            }
            marker = page.next_marker().filter(|_| !page.ip_sets().is_empty()).map(str::to_owned);
            if marker.is_none() {
                break;
            }
        }
        bail!(
            "there is no IP set {name} in scope {}; run `perimeter bootstrap aws`",
            self.waf.scope
        )
    }

    fn scope(&self) -> AwsScope {
        match self.waf.scope {
            Scope::Regional => AwsScope::Regional,
            Scope::Cloudfront => AwsScope::Cloudfront,
        }
    }

    fn known(&self, name: &str) -> Option<String> {
        self.ids.lock().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }

    fn remember(&self, name: &str, id: &str) {
        let mut ids = self.ids.lock().unwrap_or_else(PoisonError::into_inner);
        ids.insert(name.to_owned(), id.to_owned());
    }

    fn forget(&self, name: &str) {
        self.ids.lock().unwrap_or_else(PoisonError::into_inner).remove(name);
    }
}
