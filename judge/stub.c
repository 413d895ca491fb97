typedef int xl_judge_stub;
