# gnuplot learning_rate.gp   draws learning_rate.png and learning_rate.svg
$data1 << EOD
0.01 5.1523
EOD
$data2 << EOD
0.001 5.753944
0.003 5.177275
0.01 5.1523
0.033 5.261821
EOD
$data3 << EOD
0.003 4.854886
EOD
$data4 << EOD
0.001 5.338562
0.003 4.854886
0.01 5.019942
EOD
$data5 << EOD
0.003 4.564278
EOD
$data6 << EOD
0.001 5.002263
0.003 4.564278
0.01 4.88617
EOD
$data7 << EOD
0.003 4.260328
EOD
$data8 << EOD
0.001 4.515235
0.003 4.260328
0.01 4.792003
EOD
$data9 << EOD
0.001 4.280396
EOD
$data10 << EOD
0.00033 4.729126
0.001 4.280396
0.003 4.428758
0.01 4.857798
EOD
$data11 << EOD
0.001 4.152037
EOD
$data12 << EOD
0.00033 4.497474
0.001 4.152037
0.003 4.609635
0.01 4.964029
EOD
$data13 << EOD
0.09 5.140597
EOD
$data14 << EOD
0.003 5.728099
0.01 5.241177
0.03 5.148568
0.09 5.140597
0.27 5.46979
EOD
$data15 << EOD
0.01 4.964157
EOD
$data16 << EOD
0.003 5.461437
0.01 4.964157
0.03 5.097422
EOD
$data17 << EOD
0.01 4.790685
EOD
$data18 << EOD
0.003 5.299595
0.01 4.790685
0.03 4.959409
EOD
$data19 << EOD
0.01 4.5994
EOD
$data20 << EOD
0.003 5.022898
0.01 4.5994
0.03 4.811757
EOD
$data21 << EOD
0.01 4.599823
EOD
$data22 << EOD
0.003 4.85943
0.01 4.599823
0.03 4.805945
EOD
$data23 << EOD
0.01 4.793778
EOD
$data24 << EOD
0.003 4.975426
0.01 4.793778
0.03 4.907764
EOD
$data25 << EOD
0.033 6.837495
EOD
$data26 << EOD
0.001 6.878421
0.003 6.858844
0.01 6.855517
0.033 6.837495
0.11 6.847861
EOD
$data27 << EOD
0.033 6.735173
EOD
$data28 << EOD
0.001 6.827557
0.003 6.787153
0.01 6.777418
0.033 6.735173
0.11 6.777695
EOD
$data29 << EOD
0.033 6.686681
EOD
$data30 << EOD
0.001 6.774223
0.003 6.712431
0.01 6.710508
0.033 6.686681
0.11 6.729147
EOD
$data31 << EOD
0.01 6.545252
EOD
$data32 << EOD
0.001 6.624734
0.003 6.658081
0.01 6.545252
0.033 6.559131
EOD
$data33 << EOD
0.01 6.423753
EOD
$data34 << EOD
0.001 6.471088
0.003 6.521964
0.01 6.423753
0.033 6.515193
EOD
$data35 << EOD
0.01 6.273751
EOD
$data36 << EOD
0.001 6.273882
0.003 6.325839
0.01 6.273751
0.033 6.458216
EOD
$data37 << EOD
0.03 5.317666
EOD
$data38 << EOD
0.003 5.743019
0.01 5.424796
0.03 5.317666
0.09 5.477861
EOD
$data39 << EOD
0.01 4.975924
EOD
$data40 << EOD
0.003 5.515556
0.01 4.975924
0.03 5.142193
EOD
$data41 << EOD
0.01 4.819896
EOD
$data42 << EOD
0.003 5.257266
0.01 4.819896
0.03 5.232819
EOD
$data43 << EOD
0.01 4.591698
EOD
$data44 << EOD
0.003 4.845632
0.01 4.591698
0.03 5.232283
EOD
$data45 << EOD
0.01 4.477092
EOD
$data46 << EOD
0.003 4.675584
0.01 4.477092
0.03 5.278683
EOD
$data47 << EOD
0.01 4.684182
EOD
$data48 << EOD
0.003 4.69338
0.01 4.684182
0.03 5.136758
EOD
$data49 << EOD
0.01 5.108833
EOD
$data50 << EOD
0.003 5.719426
0.01 5.108833
0.03 5.157239
EOD
$data51 << EOD
0.01 4.84667
EOD
$data52 << EOD
0.003 5.316409
0.01 4.84667
0.03 5.0885
EOD
$data53 << EOD
0.01 4.718751
EOD
$data54 << EOD
0.003 5.076019
0.01 4.718751
0.03 5.037895
EOD
$data55 << EOD
0.01 4.431533
EOD
$data56 << EOD
0.003 4.714478
0.01 4.431533
0.03 5.056947
EOD
$data57 << EOD
0.01 4.347064
EOD
$data58 << EOD
0.003 4.628441
0.01 4.347064
0.03 5.0282
EOD
$data59 << EOD
0.01 4.699172
EOD
$data60 << EOD
0.003 4.776564
0.01 4.699172
0.03 5.056563
EOD
$data61 << EOD
0.01 5.455595
EOD
$data62 << EOD
0.001 5.863886
0.003 5.580351
0.01 5.455595
0.033 5.487437
EOD
$data63 << EOD
0.003 5.349052
EOD
$data64 << EOD
0.001 5.706795
0.003 5.349052
0.01 5.429002
EOD
$data65 << EOD
0.003 5.17754
EOD
$data66 << EOD
0.001 5.572335
0.003 5.17754
0.01 5.359413
EOD
$data67 << EOD
0.003 5.072052
EOD
$data68 << EOD
0.001 5.23515
0.003 5.072052
0.01 5.202671
EOD
$data69 << EOD
0.003 4.822192
EOD
$data70 << EOD
0.001 5.061422
0.003 4.822192
0.01 5.183914
EOD
$data71 << EOD
0.001 4.979018
EOD
$data72 << EOD
0.00033 5.468164
0.001 4.979018
0.003 5.047515
0.01 5.294628
EOD
do for [kind in "png svg"] {
  if (kind eq "png") {
    set terminal pngcairo size 1800,2180 font "DejaVu Sans,13" fontscale 2 linewidth 2 pointscale 2 background "white" enhanced
  } else {
    set terminal svg size 900,1090 font "DejaVu Sans,13" linewidth 1 background "white" enhanced
  }
  set output "learning_rate.".kind
  set border 3 lc rgb "#444444"
  set tics nomirror out
  set grid lc rgb "#c8c8c8" lw 0.6 dt 3
  set rmargin 4
  set multiplot layout 3,2 margins 0.115,0.97,0.059,0.914 spacing 0.12,0.092
  set logscale x
  set format x "10^{%T}"
  set xlabel "largest learning rate of the schedule" offset 0,0.4
  set ylabel "final validation loss [nat/token]" offset 1,0
  set key at screen 0.1422,0.9945 left top vertical maxrows 2 Left reverse samplen 3.5 spacing 1.2 width -0
  set xrange [0.000235714:0.378]
  set title 'BP' offset 0,-0.6
  plot keyentry with linespoints lw 2 pt 7 dt 1 lc rgb "#0a4c86" title 'N = 75 k', \
    keyentry with linespoints lw 2 pt 5 dt 2 lc rgb "#d55e00" title 'N = 140 k', \
    keyentry with linespoints lw 2 pt 9 dt 4 lc rgb "#009e73" title 'N = 274 k', \
    keyentry with linespoints lw 2 pt 13 dt 3 lc rgb "#b0468c" title 'N = 670 k', \
    keyentry with linespoints lw 2 pt 11 dt 5 lc rgb "#e69f00" title 'N = 1.3 M', \
    keyentry with linespoints lw 2 pt 4 dt 2 lc rgb "#56b4e9" title 'N = 2.9 M', \
    keyentry with points pt 6 ps 1.8 lc rgb "#222222" title 'best', \
    $data2 with linespoints lw 2 pt 7 dt 1 lc rgb "#0a4c86" notitle, \
    $data1 with points pt 6 ps 1.8 lc rgb "#222222" notitle, \
    $data4 with linespoints lw 2 pt 5 dt 2 lc rgb "#d55e00" notitle, \
    $data3 with points pt 6 ps 1.8 lc rgb "#222222" notitle, \
    $data6 with linespoints lw 2 pt 9 dt 4 lc rgb "#009e73" notitle, \
    $data5 with points pt 6 ps 1.8 lc rgb "#222222" notitle, \
    $data8 with linespoints lw 2 pt 13 dt 3 lc rgb "#b0468c" notitle, \
    $data7 with points pt 6 ps 1.8 lc rgb "#222222" notitle, \
    $data10 with linespoints lw 2 pt 11 dt 5 lc rgb "#e69f00" notitle, \
    $data9 with points pt 6 ps 1.8 lc rgb "#222222" notitle, \
    $data12 with linespoints lw 2 pt 4 dt 2 lc rgb "#56b4e9" notitle, \
    $data11 with points pt 6 ps 1.8 lc rgb "#222222" notitle
  unset key
  set title 'DFA' offset 0,-0.6
  plot $data14 with linespoints lw 2 pt 7 dt 1 lc rgb "#0a4c86" notitle, \
    $data13 with points pt 6 ps 1.8 lc rgb "#222222" notitle, \
    $data16 with linespoints lw 2 pt 5 dt 2 lc rgb "#d55e00" notitle, \
    $data15 with points pt 6 ps 1.8 lc rgb "#222222" notitle, \
    $data18 with linespoints lw 2 pt 9 dt 4 lc rgb "#009e73" notitle, \
    $data17 with points pt 6 ps 1.8 lc rgb "#222222" notitle, \
    $data20 with linespoints lw 2 pt 13 dt 3 lc rgb "#b0468c" notitle, \
    $data19 with points pt 6 ps 1.8 lc rgb "#222222" notitle, \
    $data22 with linespoints lw 2 pt 11 dt 5 lc rgb "#e69f00" notitle, \
    $data21 with points pt 6 ps 1.8 lc rgb "#222222" notitle, \
    $data24 with linespoints lw 2 pt 4 dt 2 lc rgb "#56b4e9" notitle, \
    $data23 with points pt 6 ps 1.8 lc rgb "#222222" notitle
  unset key
  set title 'Shallow' offset 0,-0.6
  plot $data26 with linespoints lw 2 pt 7 dt 1 lc rgb "#0a4c86" notitle, \
    $data25 with points pt 6 ps 1.8 lc rgb "#222222" notitle, \
    $data28 with linespoints lw 2 pt 5 dt 2 lc rgb "#d55e00" notitle, \
    $data27 with points pt 6 ps 1.8 lc rgb "#222222" notitle, \
    $data30 with linespoints lw 2 pt 9 dt 4 lc rgb "#009e73" notitle, \
    $data29 with points pt 6 ps 1.8 lc rgb "#222222" notitle, \
    $data32 with linespoints lw 2 pt 13 dt 3 lc rgb "#b0468c" notitle, \
    $data31 with points pt 6 ps 1.8 lc rgb "#222222" notitle, \
    $data34 with linespoints lw 2 pt 11 dt 5 lc rgb "#e69f00" notitle, \
    $data33 with points pt 6 ps 1.8 lc rgb "#222222" notitle, \
    $data36 with linespoints lw 2 pt 4 dt 2 lc rgb "#56b4e9" notitle, \
    $data35 with points pt 6 ps 1.8 lc rgb "#222222" notitle
  unset key
  set title 'dfa-identity' offset 0,-0.6
  plot $data38 with linespoints lw 2 pt 7 dt 1 lc rgb "#0a4c86" notitle, \
    $data37 with points pt 6 ps 1.8 lc rgb "#222222" notitle, \
    $data40 with linespoints lw 2 pt 5 dt 2 lc rgb "#d55e00" notitle, \
    $data39 with points pt 6 ps 1.8 lc rgb "#222222" notitle, \
    $data42 with linespoints lw 2 pt 9 dt 4 lc rgb "#009e73" notitle, \
    $data41 with points pt 6 ps 1.8 lc rgb "#222222" notitle, \
    $data44 with linespoints lw 2 pt 13 dt 3 lc rgb "#b0468c" notitle, \
    $data43 with points pt 6 ps 1.8 lc rgb "#222222" notitle, \
    $data46 with linespoints lw 2 pt 11 dt 5 lc rgb "#e69f00" notitle, \
    $data45 with points pt 6 ps 1.8 lc rgb "#222222" notitle, \
    $data48 with linespoints lw 2 pt 4 dt 2 lc rgb "#56b4e9" notitle, \
    $data47 with points pt 6 ps 1.8 lc rgb "#222222" notitle
  unset key
  set title 'dfa-vanilla' offset 0,-0.6
  plot $data50 with linespoints lw 2 pt 7 dt 1 lc rgb "#0a4c86" notitle, \
    $data49 with points pt 6 ps 1.8 lc rgb "#222222" notitle, \
    $data52 with linespoints lw 2 pt 5 dt 2 lc rgb "#d55e00" notitle, \
    $data51 with points pt 6 ps 1.8 lc rgb "#222222" notitle, \
    $data54 with linespoints lw 2 pt 9 dt 4 lc rgb "#009e73" notitle, \
    $data53 with points pt 6 ps 1.8 lc rgb "#222222" notitle, \
    $data56 with linespoints lw 2 pt 13 dt 3 lc rgb "#b0468c" notitle, \
    $data55 with points pt 6 ps 1.8 lc rgb "#222222" notitle, \
    $data58 with linespoints lw 2 pt 11 dt 5 lc rgb "#e69f00" notitle, \
    $data57 with points pt 6 ps 1.8 lc rgb "#222222" notitle, \
    $data60 with linespoints lw 2 pt 4 dt 2 lc rgb "#56b4e9" notitle, \
    $data59 with points pt 6 ps 1.8 lc rgb "#222222" notitle
  unset key
  set title 'shallow-projector' offset 0,-0.6
  plot $data62 with linespoints lw 2 pt 7 dt 1 lc rgb "#0a4c86" notitle, \
    $data61 with points pt 6 ps 1.8 lc rgb "#222222" notitle, \
    $data64 with linespoints lw 2 pt 5 dt 2 lc rgb "#d55e00" notitle, \
    $data63 with points pt 6 ps 1.8 lc rgb "#222222" notitle, \
    $data66 with linespoints lw 2 pt 9 dt 4 lc rgb "#009e73" notitle, \
    $data65 with points pt 6 ps 1.8 lc rgb "#222222" notitle, \
    $data68 with linespoints lw 2 pt 13 dt 3 lc rgb "#b0468c" notitle, \
    $data67 with points pt 6 ps 1.8 lc rgb "#222222" notitle, \
    $data70 with linespoints lw 2 pt 11 dt 5 lc rgb "#e69f00" notitle, \
    $data69 with points pt 6 ps 1.8 lc rgb "#222222" notitle, \
    $data72 with linespoints lw 2 pt 4 dt 2 lc rgb "#56b4e9" notitle, \
    $data71 with points pt 6 ps 1.8 lc rgb "#222222" notitle
  unset key
  unset multiplot
  unset output
}
