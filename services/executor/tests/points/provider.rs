//! One conformance test for the IP sets in AWS WAFv2 and their twin in memory.
//!
//! Uses the WAFv2 (an emulator) that `AWS_ENDPOINT_URL_WAFV2` names, with the SDK's other settings from the environment.

use std::io::Write as _;

use aws_config::BehaviorVersion;
use aws_sdk_wafv2::types::{IpAddressVersion, Scope};
use executor::config::{Waf, WafScope};
use executor::logic::ip_set::Family;
use executor::logic::waf::{Write, WriteFault};
use executor::points::aws_waf::{MemorySets, Provider, Service};

async fn conforms(provider: &Provider) {
    for (family, address) in [(Family::V4, "81.2.69.142/32"), (Family::V6, "2a00:1450:0:5::/64")] {
        let first = provider.read(family).await.unwrap();
        let write = Write {
            family,
            addresses: vec![address.to_owned()],
            description: "perimeter epoch=1 leases=2 controls=3".to_owned(),
            lock_token: first.lock_token.clone(),
        };
        provider.write(&write).await.unwrap();
        assert_eq!(provider.write(&write).await, Err(WriteFault::Conflict), "the token was used");
        let second = provider.read(family).await.unwrap();
        let canonical = |text: &String| text.parse::<ipnet::IpNet>().unwrap().to_string();
        assert_eq!(second.addresses.iter().map(canonical).collect::<Vec<_>>(), [address]);
        assert_eq!(second.description, write.description);
        assert_ne!(second.lock_token, first.lock_token);
        let empty = Write { addresses: Vec::new(), lock_token: second.lock_token, ..write };
        provider.write(&empty).await.unwrap();
        assert!(provider.read(family).await.unwrap().addresses.is_empty());
    }
}

#[tokio::test]
async fn the_twin_conforms() {
    conforms(&Provider::Memory(MemorySets::default())).await;
}

#[tokio::test]
async fn the_service_conforms() {
    if std::env::var("AWS_ENDPOINT_URL_WAFV2").is_err() {
        let loud = "NO WAF: AWS_ENDPOINT_URL_WAFV2 is not set; ONLY THE TWIN WAS TESTED\n";
        std::io::stderr().write_all(loud.as_bytes()).unwrap();
        return;
    }
    let client =
        aws_sdk_wafv2::Client::new(&aws_config::load_defaults(BehaviorVersion::latest()).await);
    let prefix = format!("perimeter-test-{}", uuid::Uuid::new_v4().simple());
    for (suffix, version) in [("v4", IpAddressVersion::Ipv4), ("v6", IpAddressVersion::Ipv6)] {
        let made = client.create_ip_set().name(format!("{prefix}-{suffix}")).scope(Scope::Regional);
        made.ip_address_version(version).set_addresses(Some(Vec::new())).send().await.unwrap();
    }
    let service = Service::new(&Waf { scope: WafScope::Regional, prefix }).await;
    conforms(&Provider::Service(Box::new(service))).await;
}

#[tokio::test]
async fn a_set_that_does_not_exist_is_an_error_that_says_what_to_do() {
    if std::env::var("AWS_ENDPOINT_URL_WAFV2").is_err() {
        return;
    }
    let waf = Waf { scope: WafScope::Regional, prefix: "nobody-made-this".to_owned() };
    let error =
        Provider::Service(Box::new(Service::new(&waf).await)).read(Family::V4).await.unwrap_err();
    assert!(error.contains("perimeter bootstrap aws"), "{error}");
}
