//! The connection to the server. The tap checks certificates; `ca_bundle` adds trusted ones. Proxies come from the
//! environment. The token goes over encrypted connections only.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};

use rcgen::CertifiedKey;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use sentry_simulator::{Organization, Settings, Shape, Simulator};
use serde_json::json;

use crate::support::Tap;

/// Starts an encrypted front of the simulator. Returns its address, and its certificate as PEM.
fn encrypted(simulator: &Simulator) -> (SocketAddr, String) {
    let CertifiedKey { cert, signing_key } =
        rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).expect("a certificate");
    let key = PrivateKeyDer::try_from(signing_key.serialize_der()).expect("a key");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![CertificateDer::clone(cert.der())], key)
        .expect("a server's side");
    let (config, behind) = (Arc::new(config), simulator.address());
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let config = Arc::clone(&config);
            std::thread::spawn(move || {
                let connection = ServerConnection::new(config).expect("a connection");
                let _ = pass_on(StreamOwned::new(connection, stream), behind); // ends if the handshake is refused
            });
        }
    });
    (address, cert.pem())
}

/// Passes one request on, and its answer back.
fn pass_on(mut stream: StreamOwned<ServerConnection, TcpStream>, to: SocketAddr) -> std::io::Result<()> {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte)?;
        request.push(byte[0]);
    }
    request.truncate(request.len() - 2);
    request.extend_from_slice(b"connection: close\r\n\r\n");
    let mut server = TcpStream::connect(to)?;
    server.write_all(&request)?;
    std::io::copy(&mut server, &mut stream)?;
    stream.conn.send_close_notify();
    stream.flush()
}

#[test]
fn certificates_are_checked_and_ca_bundle_adds_to_those_that_are_trusted() {
    let simulator = Simulator::start(Organization::generate(&Shape::default()), Settings::self_hosted());
    let (address, pem) = encrypted(&simulator);
    let tap = || Tap::at(&format!("https://{address}/"), &simulator.slug(), simulator.token());
    let refused = tap().run();
    assert_eq!(refused.code, 1);
    let line = refused.stderr.lines().last().unwrap_or_default();
    assert!(line.starts_with("CRITICAL ") && line.contains("certificate") && line.contains("ca_bundle"), "{line}");
    assert!(!refused.stderr.contains("trying again"), "a certificate does not become better: {}", refused.stderr);
    assert!(simulator.requests().is_empty(), "the token went to a server with an unknown certificate");

    let bundle = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(bundle.path(), pem).expect("a file");
    let run = tap().set("ca_bundle", json!(bundle.path())).sync();
    crate::support::complete::assert_complete(&run, &simulator.truth());
}

/// A proxy that refuses everything and sends the first line of each request to the channel.
fn proxy() -> (SocketAddr, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    let (lines, seen) = channel();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let mut reader = BufReader::new(stream);
            let mut line = String::new();
            while line != "\r\n" {
                let first = line.is_empty();
                line.clear();
                if reader.read_line(&mut line).unwrap_or(0) == 0 {
                    break;
                }
                if first {
                    let _ = lines.send(line.clone()); // nobody receives after the test
                }
            }
            let answer = b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
            let _ = reader.get_mut().write_all(answer);
        }
    });
    (address, seen)
}

#[test]
fn proxies_come_from_the_environment() {
    for (name, base_url, expected) in [
        ("HTTPS_PROXY", "https://errors.invalid/", "CONNECT errors.invalid:443 HTTP/1.1\r\n"),
        ("HTTP_PROXY", "http://errors.invalid/", "GET http://errors.invalid/api/0/organizations/acme/projects/"),
        ("ALL_PROXY", "https://errors.invalid/", "CONNECT errors.invalid:443 HTTP/1.1\r\n"),
    ] {
        let (address, seen) = proxy();
        let tap = Tap::at(base_url, "acme", "t0ken").set("allow_http", json!(true)).set("max_retries", json!(0));
        let run = tap.env(name, &format!("http://{address}")).run();
        assert_eq!(run.code, 1, "{}", run.stderr);
        let line = seen.try_recv().expect("the proxy was asked");
        assert!(line.starts_with(expected), "{name}: {line}");
        assert!(!line.contains("t0ken"));
    }
    let (address, seen) = proxy();
    let simulator = Simulator::start(Organization::generate(&Shape::default()), Settings::self_hosted());
    let run = Tap::new(&simulator).env("HTTP_PROXY", &format!("http://{address}")).env("NO_PROXY", "127.0.0.1").sync();
    crate::support::complete::assert_complete(&run, &simulator.truth());
    assert!(seen.try_recv().is_err(), "NO_PROXY was not obeyed");
}
