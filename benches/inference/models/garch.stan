// A GARCH(1, 1) model with flat priors.
data {
  int<lower=1> T;
  array[T] real y;
  real<lower=0> sigma1;
}
parameters {
  real mu;
  real<lower=0> alpha0;
  real<lower=0, upper=1> alpha1;
  real<lower=0, upper=1 - alpha1> beta1;
}
model {
  real deviation = sigma1;
  y[1] ~ normal(mu, deviation);
  for (t in 2 : T) {
    deviation = sqrt(alpha0 + alpha1 * square(y[t - 1] - mu) + beta1 * square(deviation));
    y[t] ~ normal(mu, deviation);
  }
}
