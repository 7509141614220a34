// The C interface of BridgeStan 2 over a model that stanc has translated to C++. MODEL is the path of that file, in quotes.
#include MODEL

#include <cstring>
#include <fstream>
#include <memory>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

#include <stan/io/json/json_data.hpp>
#include <stan/model/model_base.hpp>

namespace {

std::string joined(const std::vector<std::string>& names) {
    std::string all;
    for (const std::string& name : names) {
        all += (all.empty() ? "" : ",") + name;
    }
    return all;
}

// JSON text, or the path of a file that ends in .json. An empty text is a model without data.
std::unique_ptr<std::istream> opened(const std::string& data) {
    const std::string ending = ".json";
    if (data.size() > ending.size() && data.compare(data.size() - ending.size(), ending.size(), ending) == 0) {
        auto file = std::make_unique<std::ifstream>(data);
        if (!*file) {
            throw std::runtime_error("cannot open " + data);
        }
        return file;
    }
    return std::make_unique<std::stringstream>(data.empty() ? "{}" : data);
}

// Runs a call. An exception becomes a message and the code -1.
template <typename Call>
int guarded(char** error, Call call) {
    try {
        call();
        return 0;
    } catch (const std::exception& exception) {
        if (error) {
            *error = strdup(exception.what());
        }
    } catch (...) {
        if (error) {
            *error = strdup("the model threw an object that is not a std::exception");
        }
    }
    return -1;
}

}  // namespace

struct bs_rng {
    stan::rng_t generator;
};

struct bs_model {
    std::unique_ptr<stan::model::model_base> model;
    std::string name;
    // The names of the parameters, and of the parameters and what is computed from them.
    std::string names[2][2];
    int numbers[2][2];
    std::string unconstrained;
    int dimension;

    bs_model(const std::string& data, unsigned seed) {
        const std::unique_ptr<std::istream> stream = opened(data);
        stan::json::json_data context(*stream);
        model.reset(&new_model(context, seed, nullptr));
        name = model->model_name();
        for (int transformed = 0; transformed < 2; ++transformed) {
            for (int generated = 0; generated < 2; ++generated) {
                std::vector<std::string> found;
                model->constrained_param_names(found, transformed, generated);
                names[transformed][generated] = joined(found);
                numbers[transformed][generated] = static_cast<int>(found.size());
            }
        }
        std::vector<std::string> found;
        model->unconstrained_param_names(found, false, false);
        unconstrained = joined(found);
        dimension = static_cast<int>(found.size());
    }

    template <bool propto, bool jacobian>
    void gradient(const double* x, double* log, double* into) const {
        const Eigen::VectorXd at = Eigen::Map<const Eigen::VectorXd>(x, dimension);
        Eigen::VectorXd found;
        stan::math::gradient([this](auto& x) { return model->template log_prob<propto, jacobian>(x, nullptr); }, at, *log, found);
        std::copy(found.data(), found.data() + dimension, into);
    }

    void gradient(bool propto, bool jacobian, const double* x, double* log, double* into) const {
        // The tape of gradients of this thread, which is no thread of TBB.
        static thread_local stan::math::ChainableStack tape;
        if (propto) {
            jacobian ? gradient<true, true>(x, log, into) : gradient<true, false>(x, log, into);
        } else {
            jacobian ? gradient<false, true>(x, log, into) : gradient<false, false>(x, log, into);
        }
    }
};

extern "C" {

int bs_major_version = 2;
int bs_minor_version = 0;
int bs_patch_version = 0;

bs_model* bs_model_construct(const char* data, unsigned seed, char** error) {
    bs_model* model = nullptr;
    guarded(error, [&] { model = new bs_model(data ? data : "", seed); });
    return model;
}

void bs_model_destruct(bs_model* model) { delete model; }

void bs_free_error_msg(char* message) { free(message); }

const char* bs_name(const bs_model* model) { return model->name.c_str(); }

// Stan keeps the tape of a gradient for each thread.
const char* bs_model_info(const bs_model*) { return "STAN_THREADS=true"; }

const char* bs_param_names(const bs_model* model, bool transformed, bool generated) { return model->names[transformed][generated].c_str(); }

const char* bs_param_unc_names(const bs_model* model) { return model->unconstrained.c_str(); }

int bs_param_num(const bs_model* model, bool transformed, bool generated) { return model->numbers[transformed][generated]; }

int bs_param_unc_num(const bs_model* model) { return model->dimension; }

int bs_log_density_gradient(const bs_model* model, bool propto, bool jacobian, const double* x, double* log, double* gradient, char** error) {
    return guarded(error, [&] { model->gradient(propto, jacobian, x, log, gradient); });
}

int bs_log_density(const bs_model* model, bool propto, bool jacobian, const double* x, double* log, char** error) {
    std::vector<double> gradient(model->dimension);
    return bs_log_density_gradient(model, propto, jacobian, x, log, gradient.data(), error);
}

int bs_param_constrain(const bs_model* model, bool transformed, bool generated, const double* x, double* parameters, bs_rng* rng, char** error) {
    return guarded(error, [&] {
        static thread_local stan::math::ChainableStack tape;
        if (generated && !rng) {
            throw std::invalid_argument("generated quantities need a random number generator");
        }
        stan::rng_t own(1);
        Eigen::VectorXd at = Eigen::Map<const Eigen::VectorXd>(x, model->dimension), found;
        model->model->write_array(rng ? rng->generator : own, at, found, transformed, generated, nullptr);
        std::copy(found.data(), found.data() + found.size(), parameters);
    });
}

bs_rng* bs_rng_construct(unsigned seed, char**) { return new bs_rng{stan::rng_t(seed)}; }

void bs_rng_destruct(bs_rng* rng) { delete rng; }

}  // extern "C"
