//! WaveNet and densities of recordings: the reach of each law, exact masses, one step after another, and lengths that vary.

use burn::tensor::Tensor;
use knothe::{
    Density, Given, Placement, Precision, SequenceDensity,
    conditioner::{AutoregressiveConditioner, Conditioner, WaveNet, WaveNetConfig},
    conformance,
    events::{
        Coding, Events,
        audio::{RecordingSet, Waveform},
    },
    fit::FitConfig,
    model::{AnyModel, Fitting, Kept, LogLikelihood, Scoring, Split, Weighting},
    values,
};

use crate::common::{context, randomised, rng};

fn network(length: usize, levels: usize, context_dim: usize, place: &Placement) -> WaveNet {
    let config = WaveNetConfig { context_dim, levels, layers: 5, cycle: 3, residual: 18, skip: 5, parameters: levels };
    randomised(WaveNet::new(length, config, place, &mut rng(1)).unwrap(), 0.3, &mut rng(2))
}

fn levels_of(rows: usize, length: usize, levels: usize, place: &Placement) -> Tensor<2> {
    (place.uniform([rows, length], &mut rng(3)) * levels as f64).floor()
}

/// A change of a step changes the parameters of the later steps within reach. All others stay the same, bit for bit.
#[test]
fn parameters_read_the_steps_within_reach_before_theirs() {
    for precision in [Precision::F32, Precision::F64] {
        let place = Placement::cpu(precision);
        let network = network(30, 7, 0, &place);
        // Two steps, and the dilations 1, 2, 4, 1, 2.
        assert_eq!(network.reach(), 12);
        let x = levels_of(1, 30, 7, &place);
        let of = |x: &Tensor<2>| values(network.parameters(x.clone(), &Given::default()).unwrap());
        let before = of(&x);
        for t in 0..30 {
            let mut other = values(x.clone());
            other[t] = (other[t] + 3.0) % 7.0;
            let after = of(&place.tensor(other, [1, 30]));
            for (k, (b, a)) in before.iter().zip(&after).enumerate() {
                let later = k % 30;
                assert_eq!(b != a, (t + 1..=t + 12).contains(&later), "step {t}, parameter {} of step {later}", k / 30);
            }
        }
    }
}

/// One step after another gives the same parameters as the pass over whole sequences. The numbers of sequences cover full groups and groups with idle sequences.
#[test]
fn the_incremental_form_has_the_parameters_of_the_parallel_one() {
    for precision in [Precision::F32, Precision::F64] {
        let place = Placement::cpu(precision);
        for (rows, context_dim) in [(1, 0), (2, 3), (3, 0), (7, 3)] {
            let (length, levels) = (25, 19);
            let network = network(length, levels, context_dim, &place);
            let x = levels_of(rows, length, levels, &place);
            let context = context(rows, context_dim, &place, &mut rng(4));
            let given = Given::context(context.as_ref());
            let expected = values(network.parameters(x.clone(), &given).unwrap());
            let mut found = vec![0.0; expected.len()];
            let step = |t: usize, theta: Tensor<3>| {
                for (k, v) in values(theta).into_iter().enumerate() {
                    found[k * length + t] = v;
                }
                Ok(x.clone().narrow(1, t, 1))
            };
            assert_eq!(values(network.solve(rows, &given, &place, step).unwrap()), values(x.clone()));
            for (k, (f, e)) in found.iter().zip(&expected).enumerate() {
                // Some hundred products of numbers of about 1, in another order.
                assert!((f - e).abs() <= 200.0 * precision.epsilon() * (1.0 + e.abs()), "{rows} rows, {k}: {f} against {e}");
            }
        }
    }
}

fn density(length: usize, levels: usize, varying: bool, context_dim: usize, place: &Placement) -> SequenceDensity {
    let config = WaveNetConfig { context_dim, levels, layers: 3, cycle: 2, residual: 4, skip: 4, parameters: levels };
    let network = WaveNet::new(length, config, place, &mut rng(5)).unwrap();
    randomised(SequenceDensity::new(network, varying, place, &mut rng(6)).unwrap(), 0.4, &mut rng(7))
}

/// Every sequence of at most `length` steps as a row.
fn every(length: usize, levels: usize) -> Vec<Vec<f64>> {
    let of = |n: usize| {
        (0..levels.pow(n as u32)).map(move |k| {
            let step = |t: usize| if t < n { (k / levels.pow(t as u32) % levels) as f64 } else { 0.0 };
            std::iter::once(n as f64).chain((0..length).map(step)).collect()
        })
    };
    (1..=length).flat_map(of).collect()
}

#[test]
fn masses_of_one_length_sum_to_one_and_samples_have_them() {
    let place = Placement::cpu(Precision::F64);
    for context_dim in [0, 2] {
        let density = density(4, 3, false, context_dim, &place);
        let context = context(1, context_dim, &place, &mut rng(8));
        conformance::masses_sum_to_one(&density, &[0.0, 1.0, 2.0], context.as_ref(), &place).unwrap();
        conformance::samples_have_masses(&density, &[0.0, 1.0, 2.0], 4_000, context.as_ref(), &place, &mut rng(9)).unwrap();
    }
}

/// The masses of the sequences of all lengths add up to 1, and samples have these masses.
#[test]
fn masses_of_all_lengths_sum_to_one_and_samples_have_them() {
    let place = Placement::cpu(Precision::F64);
    for context_dim in [0, 2] {
        let density = density(3, 3, true, context_dim, &place);
        let all = every(3, 3);
        let own = context(1, context_dim, &place, &mut rng(8));
        let rows = |n: usize| own.as_ref().map(|c| c.clone().expand([n, context_dim]));
        let given = rows(all.len());
        let x = place.tensor(all.concat(), [all.len(), 4]);
        let masses: Vec<f64> = values(density.log_prob(x, &Given::context(given.as_ref())).unwrap()).into_iter().map(f64::exp).collect();
        let sum: f64 = masses.iter().sum();
        assert!((sum - 1.0).abs() < 1e-12, "{sum}");
        let n = 6_000;
        let given = rows(n);
        let samples = values(density.sample(n, &Given::context(given.as_ref()), &mut rng(9)).unwrap());
        for (row, mass) in all.iter().zip(masses) {
            let share = samples.chunks(4).filter(|s| s == row).count() as f64 / n as f64;
            // Five standard errors, or five counts if fewer than one is expected.
            assert!((share - mass).abs() <= 5.0 * (mass * (1.0 - mass) / n as f64).sqrt().max(1.0 / n as f64), "{row:?}: {share}, {mass}");
        }
    }
}

/// A row that is no sequence is impossible. Numbers after the end of a sequence do not matter.
#[test]
fn rows_count_up_to_their_length() {
    let place = Placement::cpu(Precision::F64);
    let density = density(5, 4, true, 0, &place);
    let of = |row: [f64; 6]| values(density.log_prob(place.tensor(row.to_vec(), [1, 6]), &Given::default()).unwrap())[0];
    assert_eq!(of([2.0, 1.0, 3.0, 0.0, 0.0, 0.0]), of([2.0, 1.0, 3.0, 2.0, 9.0, -1.0]));
    for row in
        [[0.0, 0.0, 0.0, 0.0, 0.0, 0.0], [6.0, 0.0, 0.0, 0.0, 0.0, 0.0], [1.5, 0.0, 0.0, 0.0, 0.0, 0.0], [2.0, 0.0, 4.0, 0.0, 0.0, 0.0]]
    {
        assert_eq!(of(row), f64::NEG_INFINITY, "{row:?}");
    }
}

/// The score of a row does not depend on the rows beside it. Uniform numbers are in [0, 1] and have mean ½.
#[test]
fn rows_do_not_depend_on_each_other() {
    let place = Placement::cpu(Precision::F64);
    let density = density(40, 5, true, 0, &place);
    let rows = density.sample(30, &Given::default(), &mut rng(10)).unwrap();
    let all = values(density.log_prob(rows.clone(), &Given::default()).unwrap());
    for (row, together) in all.into_iter().enumerate() {
        let alone = values(density.log_prob(rows.clone().narrow(0, row, 1), &Given::default()).unwrap())[0];
        assert!((alone - together).abs() < 1e-11 * together.abs(), "{row}: {alone} against {together}");
    }
    let u = values(density.to_uniform(rows, &Given::default()).unwrap());
    assert!(u.iter().all(|u| (0.0..=1.0).contains(u)));
    // Uniform numbers have mean ½ and variance 1/12: within five standard errors.
    let mean = u.iter().sum::<f64>() / u.len() as f64;
    assert!((mean - 0.5).abs() < 5.0 / (12.0 * u.len() as f64).sqrt(), "{mean}");
}

fn recordings() -> RecordingSet {
    let mut set = RecordingSet { rate: 8000, labels: Some(Vec::new()), ..RecordingSet::default() };
    for k in 0..24 {
        let (n, pitch) = (30 + 3 * (k % 5), 0.3 + 0.5 * (k % 2) as f64);
        set.samples.extend((0..n).map(|t| (0.4 * (pitch * (t + k) as f64).sin()) as f32));
        set.ends.push(set.samples.len());
        set.labels.as_mut().unwrap().push(["low", "high"][k % 2].into());
    }
    set
}

/// Recordings of the same bits per sample have no error in them, whatever their lengths.
#[test]
fn bits_per_sample_have_the_error_of_a_ratio() {
    let set = RecordingSet { rate: 8000, samples: vec![0.0; 60], ends: vec![20, 21, 60], ..RecordingSet::default() };
    let same = LogLikelihood::of_events(&[-40.0, -2.0, -78.0], &set);
    let bits = same.bits_per_dim(40);
    assert!((bits.mean * std::f64::consts::LN_2 - 2.0).abs() < 1e-12 && bits.two_se.abs() < 1e-12, "{bits:?}");
    // Residuals of 1, 1 and −2 nats: 2 √6/60 nats per sample.
    let bits = LogLikelihood::of_events(&[-39.0, -1.0, -80.0], &set).bits_per_dim(40);
    assert!((bits.two_se * std::f64::consts::LN_2 - 2.0 * 6f64.sqrt() / 60.0).abs() < 1e-12, "{bits:?}");
}

/// A model is fitted, saved and loaded. It gives the same scores bit for bit, samples valid recordings of a class, and completes recordings.
#[test]
fn a_model_of_recordings_goes_through_its_file() {
    let set = recordings();
    let split = Split::random("set".as_ref(), &set, 0).unwrap();
    let coding = Waveform::of(&[&set]).unwrap();
    assert!(coding.varying && coding.longest == 42 && coding.classes == ["high", "low"]);
    let recipes = [knothe::families::WaveNet::new(coding.space()).context(2).layers(4).set("cycle", 4usize).width(8).set("skip", 8usize)];
    let (config, place) = (FitConfig { steps: Some(30), batch: 8, ..recipes[0].family().fitting(1) }, Placement::cpu(Precision::F32));
    let fitting =
        Fitting { split: &split, coding: &coding, recipes: &recipes, weighting: Weighting::Uniform, config: &config, place: &place };
    let model = fitting.run(None, None, &mut ()).unwrap().unwrap();
    // 256 levels that are equally likely take 8 bits each.
    let bits = model.record.held_out.bits_per_dim(coding.space().dim()).mean;
    assert!(bits < 8.0 && model.record.held_out.elements.is_some_and(|n| (30.0..=42.0).contains(&n)), "{bits}");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("m.safetensors");
    model.save(&path).unwrap();
    let AnyModel::Recordings(read) = AnyModel::load(&path, "cpu").unwrap() else { panic!("another kind") };
    assert_eq!(read.log_prob(&set, Scoring::default()).unwrap(), model.log_prob(&set, Scoring::default()).unwrap());
    let drawn = read.sample(6, &[0.0; 6], 3).unwrap();
    assert_eq!((drawn.len(), drawn.labels.as_deref()), (6, Some(&vec!["high".to_owned(); 6][..])));
    assert!(drawn.lengths().all(|n| (1..=42).contains(&n)) && drawn.samples.iter().all(|v| v.abs() <= 1.0));
    let whole = read.reconstruct(&set, Kept { parts: 42, temperature: 1.0 }, 0).unwrap();
    assert_eq!(coding.encode(&whole).unwrap().values, coding.encode(&set).unwrap().values);
    let part = coding.encode(&read.reconstruct(&set, Kept { parts: 10, temperature: 1.0 }, 0).unwrap()).unwrap().values;
    let own = coding.encode(&set).unwrap().values;
    assert!(part.chunks(43).zip(own.chunks(43)).all(|(a, b)| a[..11] == b[..11] && a[11..] != b[11..]));
    let longer = RecordingSet { samples: vec![0.0; 50], ends: vec![50], labels: Some(vec!["low".into()]), ..set };
    assert_eq!(read.log_prob(&longer, Scoring::default()).unwrap(), [f64::NEG_INFINITY]);
}
