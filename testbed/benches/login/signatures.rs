//! The ceiling: what the signature alone allows, on one thread, by that thread's own CPU time.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, RSA_PKCS1_SHA256, RsaKeyPair};

use crate::node::Key;

/// Signatures of a 600-byte message in one second of CPU.
pub(crate) fn per_cpu_second(key: Key) -> f64 {
    let random = SystemRandom::new();
    let message = [0x61; 600];
    match key {
        Key::Rsa => {
            let pair =
                RsaKeyPair::generate(aws_lc_rs::rsa::KeySize::Rsa2048).expect("an RSA key can be made");
            let mut signature = vec![0; pair.public_modulus_len()];
            rate(|| pair.sign(&RSA_PKCS1_SHA256, &random, &message, &mut signature).expect("RSA signs"))
        }
        Key::Ec => {
            let pair =
                EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).expect("an EC key can be made");
            rate(|| {
                pair.sign(&random, &message).expect("EC signs");
            })
        }
    }
}

fn rate(mut sign: impl FnMut()) -> f64 {
    let (mut count, begun) = (0u32, thread_cpu());
    loop {
        for _ in 0..200 {
            sign();
        }
        count += 200;
        let spent = thread_cpu() - begun;
        if spent > 1.0 {
            return f64::from(count) / spent;
        }
    }
}

/// Seconds of CPU that this thread has used (first figure of `schedstat`, in nanoseconds).
fn thread_cpu() -> f64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").expect("the kernel counts per thread");
    text.split(' ').next().and_then(|ns| ns.parse::<f64>().ok()).expect("schedstat begins with a number")
        / 1e9
}
