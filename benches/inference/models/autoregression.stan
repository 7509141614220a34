// An autoregression of order K.
data {
  int<lower=0> K;
  int<lower=K + 1> T;
  array[T] real y;
}
transformed data {
  vector[T - K] later = to_vector(y[(K + 1) : T]);
  matrix[T - K, K] earlier;
  for (k in 1 : K) {
    earlier[ : , k] = to_vector(y[(K + 1 - k) : (T - k)]);
  }
}
parameters {
  real alpha;
  vector[K] beta;
  real<lower=0> sigma;
}
model {
  alpha ~ normal(0, 10);
  beta ~ normal(0, 10);
  sigma ~ cauchy(0, 2.5);
  later ~ normal(alpha + earlier * beta, sigma);
}
