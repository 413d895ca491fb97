typedef int xl_tuner_stub;
