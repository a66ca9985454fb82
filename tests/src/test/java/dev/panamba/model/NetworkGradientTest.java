package dev.panamba.model;

import dev.panamba.model.Config.Norm;
import dev.panamba.tensor.DType;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Whole networks: the gradient of loss and balance with respect to every parameter against central differences. */
class NetworkGradientTest {
    @ParameterizedTest
    @EnumSource(Norm.class)
    void allFamiliesAgreeWithDifferences(Norm norm) {
        for (var config : Networks.families(norm, 4)) {
            Networks.training(config, DType.F64, 2, 5, 1).check();
            Networks.training(config, DType.F64, 1, 18, 2).check();
        }
    }
}
