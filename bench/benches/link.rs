//! `cargo bench -p relobox-bench`: the native and the sandboxed link under criterion.
#![allow(missing_docs, reason = "criterion's macros")]

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use relobox::cache::Cache;
use relobox::guests::Guests;
use relobox::sandbox::Sandbox;
use relobox::symbols::Symbols;
use relobox_bench::{many, native, sandboxed};

fn link(c: &mut Criterion) {
    let guests = Guests::new(Sandbox::new(Cache::from_environment()).expect("a sandbox"), &[]).expect("guests");
    let symbols = Symbols::new();
    let mut group = c.benchmark_group("link");
    group.sample_size(20);
    for exponent in 3..=6 {
        let count = 10usize.pow(exponent);
        let file = many(count).expect("an object");
        group.throughput(Throughput::Elements(count as u64));
        group.bench_with_input(BenchmarkId::new("native", count), &count, |b, _| {
            b.iter(|| native(&guests, file.path(), &symbols).expect("a link"));
        });
        group.bench_with_input(BenchmarkId::new("sandbox", count), &count, |b, _| {
            b.iter(|| sandboxed(&guests, file.path(), &symbols).expect("a link"));
        });
    }
    group.finish();
}

criterion_group!(benches, link);
criterion_main!(benches);
