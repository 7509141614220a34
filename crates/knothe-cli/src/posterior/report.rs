//! The report of `knothe posterior`.

use knothe::{
    events::table::Column,
    inference::{Chains, Convergence, LibraryTarget, MapDiagnostic, Target},
};
use serde_json::{Value as Json, json};

use super::draws::{Found, Method};
use crate::target::{evidence, is_reliable, line, number, undefined, verdict};

/// R̂ above which chains of this length disagree. It is above the usual 1.01, since it varies more in short chains.
const LARGEST_R_HAT: f64 = 1.05;

/// The minimum share of the mass that modes must have to be reported.
const LEAST_SHARE: f64 = 1e-3;

/// How well the chains agree.
struct Agreement<'a> {
    chains: usize,
    /// The parameter for which they agree least, and its R̂. None if no parameter moves.
    worst: Option<(&'a str, f64)>,
    /// The least effective number of draws over all parameters.
    effective: f64,
    /// The same in the tails.
    tail: f64,
}

impl<'a> Agreement<'a> {
    /// None for chains that are too short to judge.
    fn of(chains: usize, columns: &'a [Column], convergence: &[Convergence]) -> Option<Self> {
        if columns.iter().any(|column| Chains::new(&column.values, chains).too_short()) {
            return None;
        }
        let mut agreement = Agreement { chains, worst: None, effective: f64::INFINITY, tail: f64::INFINITY };
        for (column, own) in columns.iter().zip(convergence) {
            // A parameter that never moves has no R̂. The model may fix it, so it does not count beside others that move.
            if own.r_hat.is_nan() {
                continue;
            }
            if agreement.worst.is_none_or(|(_, r_hat)| own.r_hat > r_hat) {
                agreement.worst = Some((column.name.as_str(), own.r_hat));
            }
            agreement.effective = agreement.effective.min(own.effective_draws);
            agreement.tail = agreement.tail.min(own.tail_effective_draws);
        }
        Some(agreement)
    }

    /// R̂ is infinite for a parameter with a draw that is no number. Chains in which no parameter moves have not converged either.
    fn converged(&self) -> bool {
        self.worst.is_some_and(|(_, r_hat)| r_hat <= LARGEST_R_HAT)
    }

    fn line(&self) -> String {
        let Agreement { chains, worst, effective, tail } = self;
        let Some((name, r_hat)) = worst else {
            return format!("chains          {chains}; no parameter moves: draw more, or check that the posterior is proper\n");
        };
        let verdict = if self.converged() { "" } else { "; they disagree: draw more, or check that the posterior is proper" };
        let r_hat = if r_hat.is_finite() { format!("{r_hat:.3}") } else { "∞".to_owned() };
        format!(
            "chains          {chains}; largest R̂ {r_hat} ({name}); at least {effective:.0} effective draws, and {tail:.0} in the tails{verdict}\n"
        )
    }
}

/// The convergence of each column.
fn convergence(chains: usize, columns: &[Column]) -> Vec<Convergence> {
    columns.iter().map(|column| Chains::new(&column.values, chains).convergence()).collect()
}

/// Mean, standard deviation and three quantiles.
fn summary(values: &[f64]) -> [f64; 5] {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let deviation = (values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (n - 1.0).max(1.0)).sqrt();
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let quantile = |p: f64| sorted[((n - 1.0) * p).round() as usize];
    [mean, deviation, quantile(0.05), quantile(0.5), quantile(0.95)]
}

/// The share of the mass, by Laplace's approximation, of the modes after the first one.
fn share_of_others(found: &Found) -> f64 {
    let Some(first) = found.fitted.modes.first() else { return 0.0 };
    let others: f64 = found.fitted.modes[1..].iter().map(|mode| (mode.log_mass - first.log_mass).exp()).sum();
    others / (1.0 + others)
}

/// A line about modes that the map may have missed.
fn modes(found: &Found) -> Option<String> {
    let (number, share) = (found.fitted.modes.len(), share_of_others(found));
    (share >= LEAST_SHARE).then(|| {
        format!(
            "modes           {number} found; by Laplace's approximation, {:.2} % of the mass lies outside the largest one: check that the draws cover them all\n",
            100.0 * share
        )
    })
}

pub fn report(target: &LibraryTarget, found: &Found, columns: &[Column]) -> String {
    let smoothed = &found.smoothed;
    let mut text = format!(
        "map             {} unconstrained parameters; variance diagnostic {:.3e}; {} steps\n",
        target.dim(),
        found.variance(),
        found.fitted.steps.len()
    );
    if let Some(line) = modes(found) {
        text += &line;
    }
    let diagnostic = MapDiagnostic::of(&found.weighted.weights);
    text += &format!("log evidence    {}; lower bound {:.4}\n", evidence(diagnostic.log_evidence, smoothed), diagnostic.bound.value);
    text += &line(&found.weighted.weights, smoothed);
    text += &undefined(found.weighted.undefined, found.weighted.weights.logs().len(), target.first_message()).unwrap_or_default();
    let n = columns[0].values.len();
    text += &match found.method {
        Method::Importance => format!("draws           {n} resampled from the weighted draws\n"),
        Method::Adaptive(rounds) => {
            format!("draws           {n} resampled from the adaptive proposal's weighted draws in round {rounds}\n")
        }
        Method::Metropolis(accepted) => format!("draws           {n} by independence Metropolis: acceptance {accepted:.2}\n"),
        Method::Hmc(accepted, divergent) => {
            format!(
                "draws           {n} by Hamiltonian Monte Carlo in the map's coordinates: acceptance {accepted:.2}, {divergent} divergent\n"
            )
        }
    };
    if let Some(chains) = found.method.chains() {
        text += &match Agreement::of(chains, columns, &convergence(chains, columns)) {
            Some(agreement) => agreement.line(),
            None => format!("chains          {chains}; too short to judge: draw more\n"),
        };
    }
    if let Some(message) = target.first_message().filter(|_| found.failures > 0) {
        let all: u64 = found.evaluations.iter().sum();
        text += &format!("failures        {} of {all} evaluations failed: {message}\n", found.failures);
    }
    text += &format!(
        "time            {:.1} s, {} evaluations with gradients and {} without\n\n",
        found.seconds, found.evaluations[0], found.evaluations[1]
    );
    let widest = columns.iter().map(|column| column.name.chars().count()).max().unwrap_or(0).max(9);
    text += &format!("{:<widest$} {:>10} {:>10} {:>10} {:>10} {:>10}\n", "parameter", "mean", "deviation", "5 %", "50 %", "95 %");
    for column in columns {
        let shown = summary(&column.values).map(|v| format!("{v:>10.4}")).join(" ");
        text += &format!("{:<widest$} {shown}\n", column.name);
    }
    text
}

pub fn document(target: &LibraryTarget, found: &Found, columns: &[Column]) -> Json {
    let steps: Vec<Json> = found
        .fitted
        .steps
        .iter()
        .map(|step| json!({ "degree": step.degree, "terms": step.terms, "maps": step.maps, "variance": number(step.diagnostic.variance), "evaluations": step.evaluations }))
        .collect();
    let all = found.method.chains().map(|chains| (chains, convergence(chains, columns)));
    let parameters: Vec<Json> = columns
        .iter()
        .enumerate()
        .map(|(j, column)| {
            let [mean, deviation, low, median, high] = summary(&column.values).map(number);
            let agreement = all.as_ref().map(|(_, all)| all[j]);
            json!({
                "name": column.name, "mean": mean, "standard_deviation": deviation, "quantiles": { "0.05": low, "0.5": median, "0.95": high },
                "r_hat": agreement.map(|a| number(a.r_hat)), "effective_draws": agreement.map(|a| number(a.effective_draws)),
                "tail_effective_draws": agreement.map(|a| number(a.tail_effective_draws)),
            })
        })
        .collect();
    let diagnostic = MapDiagnostic::of(&found.weighted.weights);
    let (evidence, bound) = (diagnostic.log_evidence, diagnostic.bound);
    let (acceptance, divergences, rounds) = match found.method {
        Method::Importance => (None, None, None),
        Method::Adaptive(rounds) => (None, None, Some(rounds)),
        Method::Metropolis(accepted) => (Some(accepted), None, None),
        Method::Hmc(accepted, divergent) => (Some(accepted), Some(divergent), None),
    };
    json!({
        "modes": found.fitted.modes.len(), "share_of_other_modes": number(share_of_others(found)), "unconstrained": target.unconstrained_names(), "steps": steps, "variance": number(found.fitted.diagnostic().variance),
        "log_evidence": number(evidence.value), "log_evidence_two_se": number(2.0 * evidence.standard_error), "log_evidence_is_reliable": is_reliable(&found.smoothed),
        "lower_bound": number(bound.value), "proposal_variance": number(diagnostic.variance),
        "k_hat": number(found.smoothed.shape), "threshold": number(found.smoothed.threshold()), "reliability": verdict(found.smoothed.reliability()),
        "effective_sample_size": number(found.weighted.weights.effective_sample_size()), "undefined_draws": found.weighted.undefined, "finish": found.method.name(),
        "failed_evaluations": found.failures, "first_failure": target.first_message(),
        "acceptance": acceptance.map(number), "divergences": divergences, "rounds": rounds,
        "converged": all.as_ref().and_then(|(chains, all)| Agreement::of(*chains, columns, all)).map(|agreement| agreement.converged()), "gradient_evaluations": found.evaluations[0], "value_evaluations": found.evaluations[1], "parameters": parameters, "seconds": found.seconds,
    })
}
