use std::net::{Ipv4Addr, Ipv6Addr};

use rcgen::{
    CertificateParams, CustomExtension, DistinguishedName, DnType, DnValue, KeyPair, SanType, date_time_ymd,
};

use super::*;

fn signed(change: impl FnOnce(&mut CertificateParams)) -> Vec<u8> {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    change(&mut params);
    params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().to_vec()
}

fn millis(days: u64) -> Timestamp {
    Timestamp::from_millis(days * 86_400_000)
}

#[test]
fn a_certificate_tells_names_and_times() {
    let der = signed(|params| {
        // RFC 5280, 4.1.2.5: times from 2050 on are written otherwise.
        (params.not_before, params.not_after) = (date_time_ymd(2024, 2, 29), date_time_ymd(2051, 1, 1));
        params.subject_alt_names = vec![
            SanType::DnsName("Chat.Example.org".try_into().unwrap()),
            SanType::DnsName("*.example.org".try_into().unwrap()),
            SanType::IpAddress(Ipv4Addr::new(192, 0, 2, 1).into()),
            SanType::IpAddress(Ipv6Addr::LOCALHOST.into()),
            SanType::Rfc822Name("a@example.org".try_into().unwrap()),
            SanType::URI("spiffe://example.org/a".try_into().unwrap()),
            SanType::OtherName((vec![1, 2, 3], "skipped".into())),
        ];
        params.custom_extensions = vec![CustomExtension::from_oid_content(&[1, 2, 3, 4], vec![5, 0])];
    });
    let said = Said::read(&der).unwrap();
    let names: Vec<String> = said.names.iter().map(ToString::to_string).collect();
    assert_eq!(
        names,
        [
            "dns:chat.example.org",
            "dns:*.example.org",
            "ip:192.0.2.1",
            "ip:::1",
            "email:a@example.org",
            "uri:spiffe://example.org/a"
        ]
    );
    assert_eq!(said.hosts().collect::<Vec<_>>(), ["chat.example.org", "*.example.org"]);
    assert_eq!((said.not_before, said.not_after), (millis(19_782), millis(29_585)));
}

#[test]
fn the_subject_is_written_as_rfc_4514_has_it() {
    let der = signed(|params| {
        let name = &mut params.distinguished_name;
        name.push(DnType::CountryName, "DE");
        name.push(DnType::OrganizationName, "Example, \"Inc.\"");
        name.push(DnType::OrganizationalUnitName, " #1\n");
        name.push(DnType::CustomDnType(vec![2, 5, 4, 97]), DnValue::BmpString("Ärger".try_into().unwrap()));
        name.push(DnType::CommonName, "älice");
    });
    assert_eq!(
        Said::read(&der).unwrap().subject,
        "CN=älice,2.5.4.97=Ärger,OU=\\ #1\\0a,O=Example\\, \\\"Inc.\\\",C=DE"
    );
    assert_eq!(Said::read(&signed(|_| {})).unwrap().subject, "");
}

#[test]
fn what_is_cut_or_no_certificate_is_none() {
    let der = signed(|params| {
        params.distinguished_name.push(DnType::CommonName, "a");
        params.subject_alt_names = vec![SanType::DnsName("a.example".try_into().unwrap())];
    });
    let whole = Said::read(&der).unwrap();
    assert_eq!(whole.names.len(), 1);
    for length in 0..der.len() {
        assert_eq!(Said::read(&der[..length]), None, "{length}");
    }
    // Whatever a byte becomes, nothing breaks.
    for place in 0..der.len() {
        for value in [0, 0x7f, 0x80, 0xff] {
            let mut other = der.clone();
            other[place] = value;
            let _ = Said::read(&other);
        }
    }
}

#[test]
fn a_name_that_is_meant_to_be_misread_makes_the_certificate_none() {
    let der = signed(|params| {
        params.subject_alt_names = vec![SanType::DnsName("a.example.evil.test".try_into().unwrap())];
    });
    let place = der.windows(10).position(|window| window == b".evil.test").unwrap();
    for byte in [0, b'\n', b' '] {
        let mut der = der.clone();
        der[place] = byte;
        assert_eq!(Said::read(&der), None);
    }
}
