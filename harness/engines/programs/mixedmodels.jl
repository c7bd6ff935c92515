# MixedModels of Julia. Never run: there is no Julia here. Written from the documentation of
# MixedModels 4; see the entry in programs.toml. It states no checksum of the data.

using CategoricalArrays, DataFrames, JSON3, MixedModels

const DEFINITIONS = Dict(
    "loglik" => "full", "aic" => "2k-variances-counted", "bic" => "2k-variances-counted",
    "se" => "gls", "df" => "none", "statistic" => "estimate/se", "p" => "normal",
    "variance" => "data-units", "residual_variance" => "m",
)

# The name of the model for a coefficient that Julia writes "v4: b" or "v2 & v4: b".
function own_name(native)
    native == "(Intercept)" && return "Intercept"
    parts = map(split(native, " & ")) do part
        column, label = occursin(": ", part) ? split(part, ": "; limit = 2) : (part, nothing)
        isnothing(label) ? column : "$column[T.$label]"
    end
    join(parts, ":")
end

function data_of(table)
    frame = DataFrame()
    for column in table.columns
        frame[!, column.name] = if column.kind == "number"
            Float64.(column.values)
        else
            categorical([column.levels[code + 1] for code in column.codes]; levels = column.levels)
        end
    end
    frame
end

function fit_message(message)
    isempty(message.model.random) && return failed(message, "unsupported", "no random effects")
    occursin("||", message.formula) &&
        return failed(message, "unsupported", "this program does not translate || to zerocorr")
    # The interaction of factors is written & there.
    formula = eval(Meta.parse("@formula($(replace(message.formula, ":" => "&")))"))
    model = fit(MixedModel, formula, data_of(message.table);
        REML = message.criterion == "REML", progress = false)
    table = coeftable(model)
    random = map(enumerate(model.reterms)) do (i, term)
        scale = model.sigma .* term.λ
        Dict(
            "group" => string(fname(term)),
            "names" => [n == "(Intercept)" ? "Intercept" : n for n in term.cnames],
            "covariance" => collect(eachrow(scale * scale')),
            "levels" => string.(term.levels),
            "effects" => collect(eachcol(ranef(model)[i])),
        )
    end
    Dict(
        "type" => "fitted", "id" => message.id, "fitter" => "MixedModels.fit",
        "n_obs" => nobs(model),
        "coefficients" => [
            Dict("name" => own_name(name), "estimate" => row[1], "se" => row[2], "df" => "inf",
                "statistic" => row[3], "p" => row[4])
            for (name, row) in zip(table.rownms, zip(table.cols...))
        ],
        "random" => random, "residual_variance" => varest(model),
        "loglik" => loglikelihood(model), "aic" => aic(model), "bic" => bic(model),
        "fitted" => fitted(model), "residuals" => residuals(model),
        "converged" => model.optsum.returnvalue in (:FTOL_REACHED, :XTOL_REACHED, :SUCCESS),
        "singular" => issingular(model),
        "settings" => [string("optimizer ", model.optsum.optimizer)],
    )
end

failed(message, reason, text) =
    Dict("type" => "failed", "id" => get(message, :id, 0), "reason" => reason, "text" => text)

function answer(message)
    message.type == "start" && return Dict(
        "type" => "started", "protocol" => 1, "name" => "MixedModels",
        "versions" => Dict("julia" => string(VERSION),
            "MixedModels" => string(pkgversion(MixedModels))),
        "definitions" => DEFINITIONS,
    )
    message.type == "fit" || return failed(message, "unsupported", "no such message is known here")
    try
        fit_message(message)
    catch error
        failed(message, "error", first(split(sprint(showerror, error), '\n')))
    end
end

for line in eachline(stdin)
    message = JSON3.read(line)
    message.type == "stop" && break
    println(JSON3.write(answer(message)))
    flush(stdout)
end
