//! `tram-node enrol`: what a node adds to enrolment: its agencies' keys and attachments, and the
//! sections of its configuration file.

use std::net::SocketAddr;
use std::path::PathBuf;

use formats::id::Party;
use formats::record::StationKind;
use pki::enrol::Grant;
use pki::pair::Pair;
use pki::role::Role;
use relay::authority::enrol::EnrolError;
use relay::authority::renew::Slot;
use relay::cli::{AgencySlots, EnrolOptions, Stopped, done};

/// Arguments of `enrol`.
#[derive(Debug, clap::Args)]
pub(super) struct EnrolNode {
    #[command(flatten)]
    pub(super) options: EnrolOptions,
    /// HTTP address of doors and pages.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8080")]
    http: SocketAddr,
}

/// Everything up to the start; gives the configuration file and what to say.
pub(super) async fn carry_out(
    arguments: &EnrolNode,
) -> Result<(PathBuf, serde_json::Value), Stopped> {
    let options = &arguments.options;
    let mut enrolment = options.begin().await?;
    let grant = enrolment.grant().clone();
    if grant.agencies.is_empty() {
        return Err(EnrolError::OtherKind("relay").into());
    }
    let files = options
        .carry_out(&enrolment, StationKind::Node, &[], &slots(options, &grant))
        .await?;
    let mut text = options.configuration(&grant, &format!("http = \"{}\"\n", arguments.http));
    for agency in &grant.agencies {
        let (code, folder) = (&agency.code, folder(agency.code.as_str()));
        text += &format!("\n[[agency]]\ncode = \"{code}\"\ndir = \"{folder}\"\n");
    }
    let path = options.write_configuration("node.toml", &text)?;
    enrolment.finish().map_err(Stopped::from)?;
    let said = done(&enrolment, &path, files);
    Ok((path, said))
}

fn slots(options: &EnrolOptions, grant: &Grant) -> AgencySlots {
    let mut all = AgencySlots::default();
    for agency in &grant.agencies {
        let dir = options.dir.join(folder(agency.code.as_str()));
        for (role, stem) in [
            (Role::AgencySignature, "signature"),
            (Role::AgencyEncryption, "encryption"),
        ] {
            all.slots.push(Slot {
                role,
                party: Party::Agency(agency.code.clone()),
                pair: Pair::within(&dir, stem),
                passphrase: None,
            });
        }
        let signature = Pair::within(&dir, "signature");
        all.signatures.push((agency.code.clone(), signature));
    }
    all
}

fn folder(code: &str) -> String {
    format!("agencies/{code}")
}
