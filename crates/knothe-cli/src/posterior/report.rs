//! The report of `knothe posterior`.

use knothe::{
    events::table::Column,
    inference::{Chains, LibraryTarget, MapDiagnostic, Target},
};
use serde_json::{Value as Json, json};

use super::draws::{Found, Method};
use crate::target::{line, verdict};

/// R̂ above which chains of this length disagree. It is above the usual 1.01, since it varies more in short chains.
const LARGEST_R_HAT: f64 = 1.05;

/// The minimum share of the mass that modes must have to be reported.
const LEAST_SHARE: f64 = 1e-3;

/// How well the chains agree, for the parameter for which they agree least.
struct Agreement {
    chains: usize,
    r_hat: f64,
    effective: f64,
}

impl Agreement {
    /// None for draws that are no chains, or too short ones.
    fn of(found: &Found, columns: &[Column]) -> Option<Self> {
        let chains = found.method.chains()?;
        let all = columns.iter().map(|column| Chains::new(&column.values, chains).convergence());
        let all: Vec<_> = all.collect();
        // Chains of fewer than eight draws say nothing.
        if all.iter().any(|own| own.r_hat.is_nan()) {
            return None;
        }
        Some(all.into_iter().fold(Agreement { chains, r_hat: 1.0, effective: f64::INFINITY }, |worst, own| Agreement {
            r_hat: worst.r_hat.max(own.r_hat),
            effective: worst.effective.min(own.effective_draws),
            ..worst
        }))
    }

    fn converged(&self) -> bool {
        self.r_hat <= LARGEST_R_HAT
    }
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
        found.fitted.diagnostic().variance,
        found.fitted.steps.len()
    );
    if let Some(line) = modes(found) {
        text += &line;
    }
    let diagnostic = MapDiagnostic::of(&found.weighted.weights);
    let (evidence, bound) = (diagnostic.log_evidence, diagnostic.bound);
    text += &format!("log evidence    {:.4} ± {:.4}; lower bound {:.4}\n", evidence.value, 2.0 * evidence.standard_error, bound.value);
    text += &line(&found.weighted.weights, smoothed);
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
    if let Some(agreement) = Agreement::of(found, columns) {
        let verdict = if agreement.converged() { "" } else { "; they disagree: draw more, or check that the posterior is proper" };
        let Agreement { chains, r_hat, effective } = agreement;
        text += &format!("chains          {chains}; R̂ at most {r_hat:.3}, at least {effective:.0} effective draws{verdict}\n");
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
        .map(|step| json!({ "degree": step.degree, "terms": step.terms, "maps": step.maps, "variance": step.diagnostic.variance, "evaluations": step.evaluations }))
        .collect();
    let parameters: Vec<Json> = columns
        .iter()
        .map(|column| {
            let [mean, deviation, low, median, high] = summary(&column.values);
            let agreement = found.method.chains().map(|chains| Chains::new(&column.values, chains).convergence());
            json!({
                "name": column.name, "mean": mean, "standard_deviation": deviation, "quantiles": { "0.05": low, "0.5": median, "0.95": high },
                "r_hat": agreement.map(|a| a.r_hat), "effective_draws": agreement.map(|a| a.effective_draws),
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
        "modes": found.fitted.modes.len(), "share_of_other_modes": share_of_others(found), "unconstrained": target.unconstrained_names(), "steps": steps, "variance": found.fitted.diagnostic().variance,
        "log_evidence": evidence.value, "log_evidence_two_se": 2.0 * evidence.standard_error, "lower_bound": bound.value,
        "k_hat": found.smoothed.shape, "threshold": found.smoothed.threshold(), "reliability": verdict(found.smoothed.reliability()),
        "effective_sample_size": found.weighted.weights.effective_sample_size(), "finish": found.method.name(),
        "acceptance": acceptance, "divergences": divergences, "rounds": rounds,
        "converged": Agreement::of(found, columns).map(|agreement| agreement.converged()), "gradient_evaluations": found.evaluations[0], "value_evaluations": found.evaluations[1], "parameters": parameters, "seconds": found.seconds,
    })
}
