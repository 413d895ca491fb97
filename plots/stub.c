typedef int xl_plots_stub;
